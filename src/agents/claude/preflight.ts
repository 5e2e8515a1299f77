/**
 * The host's own check before a launch: the binary that will be executed answers, and there is a login. Costs no
 * tokens, never throws; what it finds is said together with the mend.
 */
import type { AgentSettings, PreflightReport } from '../contract.ts';
import { probeVersion } from '../version-probe.ts';
import { checkCredentials } from './credentials.ts';
import { claudeBinary, claudeEnv, type LaunchHost } from './plan.ts';

const PROBE_MS = 5_000;
/** Older builds cut results on pipes, orphan tools on SIGTERM, and hide what a resumed session cost. */
const RECOMMENDED_VERSION = [2, 1, 236] as const;

export async function preflightClaude(settings: AgentSettings, host: LaunchHost): Promise<PreflightReport> {
  const binary = claudeBinary(settings);
  // PATH and HOME as the run will have them: the probe must find the same file.
  const base = Object.fromEntries(['PATH', 'HOME'].flatMap((name) => (host.env[name] ? [[name, host.env[name]]] : [])));
  const env = { ...base, ...claudeEnv({ ...settings, passEnv: [] }, { env: {}, uid: host.uid }) };
  const probe = await probeVersion([binary], env, settings.versionProbeMs ?? PROBE_MS);
  if (!probe.ok) {
    return {
      ok: false,
      version: null,
      reason: `the agent's binary \`${binary}\` ${probe.missing ? 'was not found' : probe.reason}`,
      mend: probe.missing
        ? 'install Claude Code (npm i -g @anthropic-ai/claude-code), or set agents.claude.binary to its path'
        : `run \`${binary} --version\` as the worker's user and mend what it says`,
    };
  }
  const login = checkCredentials(settings, host.env, Date.now());
  if (!login.ok) {
    const prefix = settings.configDir === undefined ? '' : `CLAUDE_CONFIG_DIR=${settings.configDir} `;
    const mend = `log in as the worker's user (\`${prefix}${binary}\`, then /login), or set CLAUDE_CODE_OAUTH_TOKEN or ANTHROPIC_API_KEY for the worker`;
    return { ok: false, version: probe.version, reason: login.reason, mend };
  }
  const warning = login.warning ?? warnOfVersion(probe.version);
  return {
    ok: true,
    version: probe.version ?? probe.output.slice(0, 80),
    reason: null,
    mend: null,
    ...(warning && { warning }),
  };
}

function warnOfVersion(version: string | null): string | undefined {
  const parts = version?.split('.').map(Number) ?? [];
  for (const [index, least] of RECOMMENDED_VERSION.entries()) {
    const part = parts[index];
    if (part === undefined) return 'the version could not be read';
    if (part > least) return undefined;
    if (part < least)
      return `version ${version} is older than ${RECOMMENDED_VERSION.join('.')}: results may be cut and costs wrong`;
  }
  return undefined;
}
