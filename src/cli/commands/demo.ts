/** `demo`: shows the whole road, without anything prepared. */
import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function addDemo(program: Command, context: Context): void {
  program
    .command('demo')
    .description('carry one work item through all stages with the scripted agent (no model is involved)')
    .option('--interactive', 'you give the answer and the approval')
    .option('--keep', 'stay up at the end also without a terminal')
    .action(async ({ interactive = false, keep = false }: { interactive?: boolean; keep?: boolean }) => {
      const { runDemo } = await import('../demo.ts');
      await runDemo(context, { interactive, keep });
    });
}
