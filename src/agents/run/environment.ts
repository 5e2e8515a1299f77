/**
 * The environment that agents, gates, deploy commands and supervisors start from: an allow-list. A list of what to leave
 * out would pass on tomorrow's token.
 */
const NAMES = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'TERM',
  'TMPDIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
]);

/** Categories of `setlocale`; not `LC_*`, which would let through anything that happens to begin so. */
const LOCALE = /^LC_[A-Z]+$/;
/** Marks of the runs that we ourselves work in: an outer sweep must still see the inner tree. */
const MARKER = /^STAGEWRIGHT_RUN_\w+$/;

/** The allowed part of `env`, with `TZ=UTC`. No token of Plane, Gitea, Telegram or Temporal is in it. */
export function baseEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const allowed = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (NAMES.has(entry[0]) || LOCALE.test(entry[0]) || MARKER.test(entry[0])),
  );
  return { ...Object.fromEntries(allowed), TZ: 'UTC' };
}
