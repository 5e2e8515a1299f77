/**
 * `npm run bench [-- name …] [--json]`: measures what the documents claim, on this machine, and says the machine's load
 * beside it. Figures go to stdout, progress to stderr.
 */
import { cleanUp } from './cleanup.ts';
import { cloneToDemo } from './clone-to-demo.ts';
import { cpu } from './cpu.ts';
import { handOff } from './hand-off.ts';
import { history } from './history.ts';
import { readLoad } from './machine.ts';
import { recovery } from './recovery.ts';
import { isMet, renderMeasured } from './report.ts';
import type { Bench, Measured } from './report.ts';

const BENCHES: readonly Bench[] = [handOff, cpu, recovery, history, cloneToDemo];
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(EXIT_INTERRUPTED)));
}
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  const names = argv.filter((word) => !word.startsWith('--'));
  const chosen = names.length === 0 ? BENCHES : BENCHES.filter(({ name }) => names.includes(name));
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
  const options = argv.filter((word) => word.startsWith('--') && word !== '--json');
  if (unknown.length > 0 || options.length > 0) {
    console.error(`usage: npm run bench [-- name …] [--json]\n\n${BENCHES.map(describe).join('\n')}`);
    return unknown.length === 0 && options.every((option) => option === '--help') ? 0 : EXIT_USAGE;
  }
  const results: Measured[] = [];
  let failed = 0;
  for (const bench of chosen) {
    try {
      const measured = await measure(bench);
      results.push(measured);
      if (!json) console.log(`${renderMeasured(measured)}\n`);
    } catch (error) {
      failed += 1;
      console.error(`${bench.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (json) console.log(JSON.stringify(results.map(withGoals), null, 2));
  return failed === 0 ? 0 : 1;
}

async function measure(bench: Bench): Promise<Measured> {
  const before = await readLoad();
  const startedMs = performance.now();
  const result = await bench.run((line) => process.stderr.write(`${bench.name}: ${line}\n`));
  const seconds = (performance.now() - startedMs) / 1_000;
  return { bench: bench.name, seconds, before, after: await readLoad(), ...result };
}

function withGoals(measured: Measured): object {
  return { ...measured, figures: measured.figures.map((figure) => ({ ...figure, met: isMet(figure) })) };
}

function describe({ name, summary }: Bench): string {
  return `  ${name.padEnd(14)} ${summary}`;
}
