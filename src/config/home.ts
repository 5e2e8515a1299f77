/** Where an instance keeps everything it has. */
import os from 'node:os';
import path from 'node:path';

/** STAGEWRIGHT_HOME, else `$XDG_DATA_HOME/stagewright`, else `~/.local/share/stagewright`; always absolute. */
export function resolveHome(env: NodeJS.ProcessEnv, cwd: string): string {
  const named = env['STAGEWRIGHT_HOME'];
  if (named !== undefined && named !== '') return path.resolve(cwd, named);
  const data = env['XDG_DATA_HOME'];
  const base =
    data !== undefined && path.isAbsolute(data) ? data : path.join(env['HOME'] ?? os.homedir(), '.local/share');
  return path.join(base, 'stagewright');
}
