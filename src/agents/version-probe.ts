/**
 * `<binary> --version` with a hard limit. The probe's whole process group is ended on the limit, and the answer does
 * not wait for pipes: a wrapper script whose child keeps stdout open would otherwise hold a launch up for ever.
 */
import { spawn } from 'node:child_process';
import { errnoOf } from '../errors.ts';

export type ProbeResult =
  | { ok: true; output: string; version: string | null }
  | { ok: false; reason: string; missing: boolean };

const OUTPUT_LIMIT_CHARS = 4096;
/** What was written before the exit may still be in the pipe. */
const PIPE_WAIT_MS = 250;

/** Runs `argv` plus `--version`. Never throws. */
export async function probeVersion(
  argv: readonly string[],
  env: Record<string, string>,
  timeoutMs: number,
): Promise<ProbeResult> {
  const [binary = '', ...args] = argv;
  return await new Promise((resolve) => {
    let output = '';
    let child: ReturnType<typeof spawn>;
    try {
      child = spawn(binary, [...args, '--version'], { env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    } catch (error) {
      resolve({ ok: false, reason: `cannot start (${errnoOf(error) ?? 'unknown error'})`, missing: false });
      return;
    }
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer);
      endGroup(child.pid);
      child.stdout?.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => {
      finish({ ok: false, reason: `gave no answer to --version within ${timeoutMs / 1000} s`, missing: false });
    }, timeoutMs);
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      if (output.length < OUTPUT_LIMIT_CHARS) output += chunk;
    });
    child.on('error', (error) => {
      const code = errnoOf(error) ?? 'unknown error';
      finish({ ok: false, reason: `cannot be started (${code})`, missing: code === 'ENOENT' });
    });
    const judge = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (code !== 0)
        finish({ ok: false, reason: `answers --version with ${code ?? signal ?? 'an error'}`, missing: false });
      else if (output.trim() === '') finish({ ok: false, reason: 'answers --version with nothing', missing: false });
      else finish({ ok: true, output: output.trim(), version: /(\d+\.\d+\.\d+)\b/u.exec(output)?.[1] ?? null });
    };
    child.on('close', judge);
    // A child of its own that keeps the pipe open delays `close`, not the answer.
    child.on('exit', (code, signal) => setTimeout(() => judge(code, signal), PIPE_WAIT_MS));
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}
