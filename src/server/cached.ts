/**
 * A value that is fetched at most once per period, whoever asks: a page that reloads, a dashboard and a person at once
 * cost one round of questions. Failures are not kept.
 */
export function cached<T>(
  fetchValue: () => Promise<T>,
  keepMs: number,
  now: () => number = Date.now,
): () => Promise<T> {
  let current: { value: Promise<T>; settledAtMs: number | null } | null = null;
  return () => {
    if (current !== null && (current.settledAtMs === null || now() - current.settledAtMs < keepMs))
      return current.value;
    const entry: { value: Promise<T>; settledAtMs: number | null } = { value: fetchValue(), settledAtMs: null };
    current = entry;
    entry.value.then(
      () => {
        entry.settledAtMs = now();
      },
      () => {
        if (current === entry) current = null;
      },
    );
    return entry.value;
  };
}
