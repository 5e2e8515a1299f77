/**
 * What a bench says: figures with their unit, and the goal beside them where there is one, as a table for people or as
 * one JSON document. A missed goal is shown as missed; it does not make the bench fail.
 */
import type { Load } from './machine.ts';

export interface Figure {
  what: string;
  value: number;
  unit: 'ms' | 's' | '%' | 'x' | '' | 'per minute' | 'bytes';
  /** At most this (or at least, with `atLeast`) is what was promised. */
  goal?: number;
  atLeast?: boolean;
}

export interface BenchResult {
  figures: Figure[];
  /** Said under the figures: what was counted and how. */
  notes: string[];
}

export interface Bench {
  name: string;
  summary: string;
  /** One line of progress goes to `say`. */
  run(say: (line: string) => void): Promise<BenchResult>;
}

export interface Measured extends BenchResult {
  bench: string;
  seconds: number;
  before: Load;
  after: Load;
}

/** Null where there is no goal. */
export function isMet(figure: Figure): boolean | null {
  if (figure.goal === undefined) return null;
  return figure.atLeast === true ? figure.value >= figure.goal : figure.value <= figure.goal;
}

export function renderMeasured(measured: Measured): string {
  const { bench, figures, notes, before, after, seconds } = measured;
  const width = Math.max(...figures.map(({ what }) => what.length));
  const lines = figures.map((figure) => {
    const { what, value, unit } = figure;
    const number = showNumber(value).padStart(10);
    return `  ${what.padEnd(width)} ${number} ${unit.padEnd(10)} ${showGoal(figure)}`.trimEnd();
  });
  return [
    `${bench}   (${seconds.toFixed(0)} s; load ${showLoad(before)} before, ${showLoad(after)} after)`,
    ...lines,
    ...notes.map((note) => `  · ${note}`),
  ].join('\n');
}

function showGoal(figure: Figure): string {
  const met = isMet(figure);
  if (met === null) return '';
  return `${met ? 'met' : 'MISSED'}: goal ${figure.atLeast === true ? '≥' : '≤'} ${figure.goal} ${figure.unit}`;
}

function showNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

function showLoad(load: Load): string {
  return `${load.average.toFixed(1)} on ${load.cores} cores, ${Math.round(load.busyShare * 100)} % busy`;
}

/** The value that `share` (0..1) of the values do not exceed, by the nearest rank; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
