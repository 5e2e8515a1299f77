/**
 * Loopback ports: which are free, and whose a listening one is. Without the second question two servers started at the
 * same moment for one port would both be reported as up, the loser's caller talking to the winner's database.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/**
 * A port to listen on: a demanded one as it is; `free`, any free one; else the preferred one or, if it is taken, any free
 * one. Another process may still take it in between.
 */
export async function choosePort(demanded: number | 'free' | undefined, preferred: number): Promise<number> {
  if (typeof demanded === 'number') return demanded;
  const wanted = demanded === 'free' ? null : await tryPort(preferred);
  return wanted ?? (await tryPort(0)) ?? preferred;
}

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(taken));
    });
  });
}

/** Whether that process listens on that loopback port; null where there is no /proc to tell. */
export function listensOn(pid: number, port: number): boolean | null {
  if (process.platform !== 'linux') return null;
  const inodes = listeningInodes(port);
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => inodes.has(linkTarget(`/proc/${pid}/fd/${descriptor}`)));
  } catch {
    return false;
  }
}

function listeningInodes(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [, local, , state] = fields;
    if (state === '0A' && local?.endsWith(`:${hexPort}`)) inodes.add(`socket:[${fields[9]}]`);
  }
  return inodes;
}

function linkTarget(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
