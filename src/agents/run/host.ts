/** Who this host is: its runs are found again on the queue that carries its name, also by a restarted worker. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { StagewrightError } from '../../errors.ts';
import { createExclusive } from '../supervisor.ts';

/** Stable id of this home directory: names the queue on which its runs are found again. Created once, atomically. */
export function hostId(home: string): string {
  const file = path.join(home, 'host', 'id');
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  createExclusive(file, `${randomUUID()}\n`, { sync: true });
  const id = readFileSync(file, 'utf8').trim();
  if (!/^[\w-]{1,64}$/.test(id)) {
    throw new StagewrightError('host_id_invalid', `${file} does not hold a host id`, {
      mend: `remove ${file}: a new id is drawn; runs at work under the old one end with their lease`,
    });
  }
  return id;
}
