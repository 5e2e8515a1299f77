/**
 * `node scripts/record-histories.mjs [<case> …]`: builds, starts a Temporal server of its own, plays the cases of
 * test/replay/record.ts and adds their histories to test/replay/histories/. Nothing there is ever overwritten: a history
 * that was recorded once must replay for as long as an item may be waiting with it.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setUp } from './setup.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const compiled = (file) => import(pathToFileURL(path.join(root, 'dist', file)).href);

await setUp();
const { getTemporalCli } = await compiled('src/temporal/binary.js');
const { startDevServer } = await compiled('src/temporal/dev-server.js');
const { recordHistories } = await compiled('test/replay/record.js');
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stagewright-record-'));
const report = (line) => console.log(line);
const server = await startDevServer({
  binary: await getTemporalCli({ progress: report }),
  dbFile: path.join(directory, 'temporal.db'),
  logFile: path.join(directory, 'temporal.log'),
  port: 'free',
  uiPort: null,
});
try {
  await recordHistories({
    address: server.address,
    directory: path.join(root, 'test', 'replay', 'histories'),
    date: new Date().toISOString().slice(0, 10),
    only: process.argv.slice(2),
    report,
  });
} finally {
  await server.stop();
  fs.rmSync(directory, { recursive: true, force: true });
}
