/**
 * What may become part of a path, a ref or an argument. Checked in code before git sees it: a branch called `--force` or
 * an item called `../x` must never reach a command line or the disk.
 */
import { GitError } from './git.ts';

const OBJECT_ID = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: git forbids exactly these in a ref
// oxlint-disable-next-line no-control-regex
const FORBIDDEN_IN_REF = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/;

export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}

/** Returns the id unchanged, or throws: abbreviations, refs and options are no ids. */
export function checkObjectId(text: string): string {
  if (!isObjectId(text)) throw invalid('commit id', text);
  return text;
}

/** Item ids, run ids and repository ids: one plain path component. */
export function checkName(kind: string, text: string): string {
  if (!PLAIN_NAME.test(text) || text.includes('..') || text.endsWith('.lock') || text.endsWith('.')) {
    throw invalid(kind, text);
  }
  return text;
}

/** A branch name without `refs/heads/`, by the rules of `git check-ref-format`. */
export function checkBranch(text: string): string {
  if (!isRefPath(text)) throw invalid('branch', text);
  return text;
}

/** True for what may follow `refs/`. */
export function isRefPath(text: string): boolean {
  return text !== '' && text.length <= 240 && !/^[-./@]/.test(text) && !FORBIDDEN_IN_REF.test(text);
}

function invalid(kind: string, text: string): GitError {
  return new GitError(`not a usable ${kind}: ${JSON.stringify(text.slice(0, 80))}`, {
    code: null,
    stderr: '',
    retryable: false,
  });
}
