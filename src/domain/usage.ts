/** Sums and short forms of usage. Book-keeping never fails a run: every function here takes what it gets. */
import type { Usage } from './types.ts';

export function zeroUsage(): Usage {
  return { inputTokens: 0, outputTokens: 0, cachedTokens: 0, costUsd: 0, turns: 0, durationMs: 0 };
}

/** Sum of two usages; null counts as nothing. */
export function addUsage(a: Usage | null, b: Usage | null): Usage {
  const left = a ?? zeroUsage();
  const right = b ?? zeroUsage();
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    cachedTokens: left.cachedTokens + right.cachedTokens,
    costUsd: left.costUsd + right.costUsd,
    turns: left.turns + right.turns,
    durationMs: left.durationMs + right.durationMs,
  };
}

/** `provider/claude-opus-4-8` → `opus-4-8`; an empty string where the model is unknown, so that it can be left out. */
export function shortModel(model: string | null | undefined): string {
  return (
    knownName(model)
      ?.split('/')
      .at(-1)
      ?.replace(/^claude-/, '') ?? ''
  );
}

/**
 * The stamp made at launch, refined by what the CLI says it used. A blank or synthetic name never blanks the stamp; a
 * blank stamp is filled.
 */
export function refineModel(stamp: string | null, used: string | null): string | null {
  return knownName(used) ?? knownName(stamp);
}

/** `12.4k in · 2.2k out · 310k cached · $1.28 · 14 turns · 3m 20s`; parts that are zero are left out. */
export function formatUsage(usage: Usage | null): string {
  if (usage === null) return '';
  const parts = [
    isAmount(usage.inputTokens) ? `${formatTokens(usage.inputTokens)} in` : '',
    isAmount(usage.outputTokens) ? `${formatTokens(usage.outputTokens)} out` : '',
    isAmount(usage.cachedTokens) ? `${formatTokens(usage.cachedTokens)} cached` : '',
    isAmount(usage.costUsd) ? formatUsd(usage.costUsd) : '',
    isAmount(usage.turns) ? `${usage.turns} ${usage.turns === 1 ? 'turn' : 'turns'}` : '',
    isAmount(usage.durationMs) ? formatDuration(usage.durationMs) : '',
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

/** `950`, `12.4k`, `3.1M`. */
export function formatTokens(count: number): string {
  if (!isAmount(count)) return '0';
  if (count < 1000) return String(Math.round(count));
  if (count < 999_950) return `${trimTenth(count / 1000)}k`;
  return `${trimTenth(count / 1_000_000)}M`;
}

/** `0.4s`, `45s`, `3m 20s`, `1h 02m`, `2d 3h`: two units at most. */
export function formatDuration(durationMs: number): string {
  if (!isAmount(durationMs)) return '0s';
  if (durationMs < 10_000) return `${trimTenth(durationMs / 1000)}s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${pad(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`;
}

/** `$1.28`; a cost below one cent shows as `<$0.01`, not as nothing. */
export function formatUsd(costUsd: number): string {
  if (!isAmount(costUsd)) return '$0.00';
  return costUsd < 0.01 ? '<$0.01' : `$${costUsd.toFixed(2)}`;
}

/** What a CLI reports is not always a number one can show. */
function isAmount(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

function knownName(model: string | null | undefined): string | null {
  const name = model?.trim() ?? '';
  return name === '' || name === '<synthetic>' || /^(?:null|undefined|unknown|none)$/i.test(name) ? null : name;
}

function trimTenth(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
