/**
 * The one door through which agent, gate, re-test, coverage and deploy commands start.
 * With the policy `none` nothing is fenced: a program of the same user can still read what that user can read,
 * approve included. README, `doctor` and `/queue` say so in these words.
 */
export type SandboxPolicy = { kind: 'none' };

export interface Confined {
  argv: string[];
  env: Record<string, string>;
}

export const UNCONFINED_WARNING =
  'sandbox: none — a program of the same user can still read what that user can read, approve included';

/** Wraps argv and its allow-listed environment by policy. */
export function confine(command: Confined, policy: SandboxPolicy): Confined {
  switch (policy.kind) {
    case 'none':
      return command;
    default:
      return policy.kind satisfies never;
  }
}
