/**
 * Problems of a YAML file with their exact place (`stagewright.yaml:12:5 projects.ET.branch: …`), all of them at once.
 * Messages never repeat values of the file beyond plain words, so a secret put in the wrong key is not printed.
 */
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import type { z } from 'zod';
import { StagewrightError } from '../errors.ts';
import { findKnownKeys } from './known-keys.ts';
import { findNearest } from './suggest.ts';

export type ConfigPath = (string | number)[];

export interface ConfigProblem {
  /** `file:line:column`. */
  place: string;
  /** `projects.ET.branch`; empty for the whole file. */
  path: string;
  message: string;
  mend: string | null;
}

/** Refuses the start; carries every problem that was found. */
export class ConfigError extends StagewrightError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(
      'config_invalid',
      [`${count} in the configuration; nothing was started`, ...problems.map(formatProblem)].join('\n'),
      {
        exit: 'config',
        mend: 'correct the file, then run: stagewright doctor',
      },
    );
    this.problems = problems;
  }
}

/** One problem as it is shown: place, path, what is wrong, and the mend on a line of its own. */
export function formatProblem(problem: ConfigProblem): string {
  const where = problem.path === '' ? problem.place : `${problem.place} ${problem.path}`;
  return `  ${where}: ${problem.message}${problem.mend === null ? '' : `\n      mend: ${problem.mend}`}`;
}

export interface YamlSource {
  /** The file's value; null where it cannot be read at all. */
  value: unknown;
  /** The first error of YAML itself: those after it are mostly its echoes. */
  problems: ConfigProblem[];
  /** `file:line:column` of a value (or of its key), else of the nearest thing around it. */
  locate(path: ConfigPath, at?: 'value' | 'key'): string;
}

/** Parses YAML and remembers where everything is. `label` is the file as people know it. */
export function readYaml(label: string, text: string): YamlSource {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${label}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  return {
    value: document.errors.length > 0 ? null : document.toJS({ maxAliasCount: 100 }),
    problems: document.errors.slice(0, 1).map((error) => ({
      place: place(error.pos[0]),
      path: '',
      message: `not valid YAML: ${error.message}`,
      mend: error.code === 'DUPLICATE_KEY' ? 'keep one of the two' : null,
    })),
    locate: (path, at = 'value') => place(findOffset(document, path, at)),
  };
}

function findOffset(document: Document, path: ConfigPath, at: 'value' | 'key'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    const wantsKey = at === 'key' && index === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return offset;
      const keyOffset = startOf(pair.key) ?? offset;
      offset = wantsKey ? keyOffset : (startOf(pair.value) ?? keyOffset);
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | null {
  return isNode(node) ? ((node as Node).range?.[0] ?? null) : null;
}

/** The issues of a zod schema at `base` in the file, in our words. */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  context: { source: YamlSource; schema: z.ZodType; base: ConfigPath; value: unknown },
): ConfigProblem[] {
  return issues.flatMap((issue) => {
    const inner = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    const path = [...context.base, ...inner];
    if (issue.code === 'unrecognized_keys') {
      const known = findKnownKeys(context.schema, inner);
      return issue.keys.map((key) => explainUnknownKey(key, path, known, context.source));
    }
    return [explainIssue(issue, path, valueAt(context.value, inner), context.source)];
  });
}

function explainUnknownKey(key: string, path: ConfigPath, known: string[], source: YamlSource): ConfigProblem {
  const nearest = findNearest(key, known);
  return {
    place: source.locate([...path, key], 'key'),
    path: [...path, key].join('.'),
    message: `unknown key${nearest === null ? '' : `; did you mean "${nearest}"?`}`,
    mend: nearest === null ? `known keys here: ${known.join(', ')}` : `write ${nearest} instead of ${key}`,
  };
}

function explainIssue(issue: z.core.$ZodIssue, path: ConfigPath, value: unknown, source: YamlSource): ConfigProblem {
  const problem = { place: source.locate(path), path: path.join('.'), mend: null };
  if (issue.code === 'invalid_type') {
    if (value === undefined)
      return { ...problem, message: 'is missing', mend: `add ${String(path.at(-1) ?? 'it')}: …` };
    const expected = issue.expected === 'record' || issue.expected === 'object' ? 'a map of keys' : issue.expected;
    const quote = issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean');
    return {
      ...problem,
      message: `expected ${expected}, got ${typeName(value)}`,
      mend: quote ? `put the value in quotes: ${String(path.at(-1))}: "${String(value)}"` : null,
    };
  }
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map(String);
    const nearest = typeof value === 'string' ? findNearest(value, allowed) : null;
    return {
      ...problem,
      message: `expected ${allowed.length === 1 ? '' : 'one of '}${allowed.join(', ')}; got ${typeof value === 'string' ? `"${value}"` : typeName(value)}`,
      mend: nearest === null ? null : `did you mean ${nearest}?`,
    };
  }
  return { ...problem, message: issue.message };
}

/** A value's type in the words of YAML. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'object' ? 'map' : typeof value;
}

/** A map or a list, whose members may be looked at. */
export function isRecord(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  let current = value;
  for (const step of path) {
    if (!isRecord(current)) return undefined;
    current = current[step];
  }
  return current;
}
