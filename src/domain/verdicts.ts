/**
 * Machine verdicts: YAML frontmatter and nothing else. A word in the prose, or a file's mere existence, once passed for
 * an approval; here an unknown value is `unreadable`, which never passes and says why.
 */
import { parse } from 'yaml';
import type { AgentStage } from './types.ts';

/** Where a verdict stands and which two values it may have. */
export interface VerdictRule {
  /** Key in the frontmatter, compared exactly. */
  key: string;
  pass: string;
  fail: string;
}

export interface Verdict {
  kind: 'pass' | 'fail' | 'unreadable';
  /** The value as written, trimmed; null where there is none. */
  value: string | null;
  /** One sentence for people, and for the role that has to mend it. */
  reason: string;
}

export type VerdictStage = Extract<AgentStage, 'review' | 'testing' | 'deploy-staging' | 'deploy'>;

/** The verdict of each stage whose report carries one. */
export const VERDICT_RULES = {
  review: { key: 'verdict', pass: 'APPROVED', fail: 'REQUEST_CHANGES' },
  testing: { key: 'result', pass: 'PASS', fail: 'FAIL' },
  'deploy-staging': { key: 'status', pass: 'SUCCESS', fail: 'FAILED' },
  deploy: { key: 'status', pass: 'SUCCESS', fail: 'FAILED' },
} as const satisfies Record<VerdictStage, VerdictRule>;

/**
 * The frontmatter between a first line `---` and the next `---`, or null where there is none or it is no YAML mapping.
 * Tolerates a byte order mark and CRLF. Aliases and repeated keys are refused: neither has a place in a verdict.
 */
export function parseFrontmatter(text: string): Record<string, unknown> | null {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  if (lines[0]?.trimEnd() !== '---') return null;
  const end = lines.findIndex((line, index) => index > 0 && /^(?:---|\.\.\.)\s*$/.test(line));
  if (end < 0) return null;
  try {
    const value: unknown = parse(lines.slice(1, end).join('\n'), { maxAliasCount: 0, logLevel: 'error' });
    return isMapping(value) ? value : null;
  } catch {
    return null;
  }
}

/** Reads one verdict by its rule; the value's case does not matter. Never throws. */
export function parseVerdict(text: string, rule: VerdictRule): Verdict {
  const expected = `expected \`${rule.key}: ${rule.pass}\` or \`${rule.key}: ${rule.fail}\``;
  const frontmatter = parseFrontmatter(text);
  if (frontmatter === null) return unreadable(null, `no readable YAML frontmatter; ${expected}`);
  if (!Object.hasOwn(frontmatter, rule.key))
    return unreadable(null, `no \`${rule.key}\` in the frontmatter; ${expected}`);
  const raw = frontmatter[rule.key];
  if (typeof raw !== 'string') return unreadable(null, `\`${rule.key}\` is not a word; ${expected}`);
  const value = raw.trim();
  const word = value.toUpperCase();
  if (word === rule.pass) return { kind: 'pass', value, reason: `${rule.key}: ${rule.pass}` };
  if (word === rule.fail) return { kind: 'fail', value, reason: `${rule.key}: ${rule.fail}` };
  return unreadable(value, `unknown value \`${rule.key}: ${value.slice(0, 80)}\`; ${expected}`);
}

function unreadable(value: string | null, reason: string): Verdict {
  return { kind: 'unreadable', value, reason };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
