/** `approve`, `reject`, `answer`, `retry`, `recheck`, `skip`. */
import type { Command } from 'commander';
import type { DecisionCommand } from '../../domain/protocol.ts';
import { StagewrightError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { decide } from '../decide.ts';
import { normaliseItemId } from '../find-item.ts';
import { oneLine } from '../output.ts';
import { readText } from '../read-text.ts';

export function addDecisions(program: Command, context: Context): void {
  program
    .command('approve')
    .description('approve what the item asks to have approved (in attention: ask its gate again)')
    .argument('<item>', 'id of an item')
    .option('--commit <sha>', 'the commit you looked at (7 digits or more); refused if another is asked about')
    .action((item: string, { commit }: { commit?: string }) => carryOut(context, 'approve', item, { commit }));
  program
    .command('reject')
    .description('send it back with a reason (in analysis: run again with it; elsewhere: one stage back)')
    .argument('<item>', 'id of an item')
    .argument('<why...>', 'the reason; - reads it from stdin')
    .action((item: string, words: string[]) => carryOut(context, 'reject', item, { words }));
  program
    .command('answer')
    .description('answer the questions it asks')
    .argument('<item>', 'id of an item')
    .argument('<text...>', 'the answer; - reads it from stdin')
    .action((item: string, words: string[]) => carryOut(context, 'answer', item, { words }));
  for (const [command, description] of [
    ['retry', 'in attention: run the agent of this stage again, and grant one more attempt where a cap was reached'],
    ['recheck', 'in attention: ask the gate again at the current head, without an agent'],
    ['skip', 'in attention: leave this stage without its gate, where the project allows it'],
  ] as const) {
    program
      .command(command)
      .description(description)
      .argument('<item>', 'id of an item')
      .action((item: string) => carryOut(context, command, item, {}));
  }
}

async function carryOut(
  context: Context,
  command: DecisionCommand,
  item: string,
  given: { commit?: string | undefined; words?: string[] },
): Promise<void> {
  const text = given.words === undefined ? undefined : await readText(given.words, context.stdin);
  if (given.commit !== undefined && !/^[0-9a-f]{7,64}$/.test(given.commit)) {
    throw new StagewrightError('usage', `${given.commit} is no commit id`, {
      exit: 'usage',
      mend: 'give 7 or more of its digits',
    });
  }
  const { client } = await context.openClient();
  const { home } = context.loadConfig({ check: false });
  const itemId = normaliseItemId(item);
  const { output } = context;
  const { result, status, person } = await decide({
    client,
    home,
    env: context.env,
    itemId,
    command,
    ...(text === undefined ? {} : { text }),
    ...(given.commit === undefined ? {} : { commit: given.commit }),
    announce: ({ stage, waiting }) => {
      const commit = given.commit ?? waiting?.commit;
      output.line(
        `${itemId} · ${stage}${commit === undefined ? '' : ` · ${commit.slice(0, 10)}`}${waiting === null ? '' : ` · ${oneLine(waiting.reason)}`}`,
      );
      for (const file of waiting?.files ?? []) output.line(`  ${file}`);
    },
  });
  const document = {
    itemId,
    command,
    stage: status.stage,
    commit: given.commit ?? status.waiting?.commit ?? null,
    person,
    ...result,
  };
  output.result(document, () => [`${command}: ${result.message}`]);
}
