/** `pause`, `resume`, `cancel`. */
import type { Command } from 'commander';
import type { ControlCommand } from '../../domain/protocol.ts';
import type { Context } from '../context.ts';
import { control } from '../control.ts';
import { normaliseItemId } from '../find-item.ts';

export function addControls(program: Command, context: Context): void {
  program
    .command('pause')
    .description('launch nothing more for this item; a run in flight ends by itself')
    .argument('<item>', 'id of an item')
    .option('--stop-run', 'stop the run in flight too, so that it can go on later')
    .action((item: string, { stopRun = false }: { stopRun?: boolean }) =>
      carryOut(context, 'pause', item, { stopRun }),
    );
  program
    .command('resume')
    .description('go on after a pause')
    .argument('<item>', 'id of an item')
    .action((item: string) => carryOut(context, 'resume', item, {}));
  program
    .command('cancel')
    .description('stop the agent, close the pull request, keep the work; the item ends cancelled')
    .argument('<item>', 'id of an item')
    .argument('[reason...]', 'why')
    .action((item: string, reason: string[]) => carryOut(context, 'cancel', item, { reason: reason.join(' ') }));
}

async function carryOut(
  context: Context,
  command: ControlCommand,
  item: string,
  given: { reason?: string; stopRun?: boolean },
): Promise<void> {
  const { client } = await context.openClient();
  const { home } = context.loadConfig({ check: false });
  const itemId = normaliseItemId(item);
  const done = await control({ client, home, env: context.env, itemId, command, ...given });
  context.output.result({ itemId, command, ...done }, () => [done.message]);
}
