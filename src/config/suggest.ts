/** "Did you mean": the nearest of some known words, so that a misspelt key, item or command costs one look. */

/** Number of single-letter edits (insert, delete, replace, swap of neighbours) between two words. */
export function countEdits(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        cost = Math.min(cost, (beforePrevious[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** The known word nearest to `word` (case does not count), or null where none is near enough to be meant. */
export function findNearest(word: string, known: readonly string[]): string | null {
  const wanted = word.toLowerCase();
  let best: { word: string; edits: number } | null = null;
  for (const candidate of known) {
    const name = candidate.toLowerCase();
    const edits = wanted.length >= 3 && name.startsWith(wanted) ? 0.5 : countEdits(wanted, name);
    if (
      edits <= Math.max(1, Math.floor(Math.max(wanted.length, name.length) / 3)) &&
      edits < (best?.edits ?? Infinity)
    ) {
      best = { word: candidate, edits };
    }
  }
  return best?.word ?? null;
}
