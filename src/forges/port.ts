/**
 * The forge as the orchestrator needs it: branches and refs by git, pull requests and statuses by its API.
 * `land` is an atomic compare of head *and* base: what lands is the very commit that was tested, or nothing.
 */
export interface PullRequest {
  id: string;
  title: string;
  branch: string;
  base: string;
  head: string;
  state: 'open' | 'merged' | 'closed';
  url: string;
}

export type LandResult =
  | { result: 'landed' }
  | { result: 'baseMoved' }
  | { result: 'headMoved' }
  | { result: 'notReady'; reason: string }
  | { result: 'busy'; reason: string }
  | { result: 'refused'; reason: string };

export interface CommitStatus {
  context: string;
  state: 'pending' | 'success' | 'failure';
  description: string;
}

export interface Forge {
  /** What git fetches from and pushes to; never holds a credential. */
  readonly remoteUrl: string;
  /** Stable id of the repository on the forge, safe in file names and workflow ids. */
  readonly repositoryId: string;
  /** Environment for git when it talks to this forge (askpass helper); never argv, never a URL. */
  gitEnvironment(): Record<string, string>;
  /** Takes over what was pushed to the repository that this forge mirrors, where it mirrors one; base moves forward only. */
  syncFromSource?(): Promise<unknown>;
  /** The open pull request of this branch, else a new one; the title of an existing one is left alone. */
  ensurePullRequest(request: { branch: string; base: string; title: string; body: string }): Promise<PullRequest>;
  getPullRequest(id: string): Promise<PullRequest | null>;
  closePullRequest(id: string, comment: string): Promise<void>;
  setStatus(commit: string, status: CommitStatus): Promise<void>;
  listStatuses(commit: string): Promise<CommitStatus[]>;
  /** Moves base from `base` to `head` if and only if base is still at `base` and the PR's branch still at `head`. */
  land(request: {
    pullRequest: string;
    branch: string;
    head: string;
    baseBranch: string;
    base: string;
  }): Promise<LandResult>;
}

export class ForgeError extends Error {
  override readonly name = 'ForgeError';
  /** False: asking again can never help (no such thing, refused). */
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean) {
    super(message);
    this.retryable = retryable;
  }
}
