import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { connectTemporal } from '../src/temporal/connection.ts';
import { checkSearchAttributes } from '../src/temporal/namespace.ts';
import { connectShared, prepareNamespace, sharedTemporal, uniqueId } from './support/temporal.ts';

const run = promisify(execFile);

test('the shared server takes a start from our client and shows it to the temporal command', async () => {
  const { address, cliPath } = sharedTemporal();
  const { client, connection } = await connectShared();
  try {
    const workflowId = uniqueId('ET');
    const handle = await client.workflow.start('nothing', { taskQueue: uniqueId('nobody'), workflowId });
    const { stdout } = await run(cliPath, [
      'workflow',
      'describe',
      '--address',
      address,
      '--workflow-id',
      workflowId,
      '--output',
      'json',
    ]);
    expect(stdout).toContain(`"${workflowId}"`);
    await handle.terminate();
  } finally {
    await connection.close();
  }
});

test('a namespace of one test knows our search attributes at once', async () => {
  const { address } = sharedTemporal();
  const namespace = uniqueId('t');
  await prepareNamespace(address, namespace);
  const connected = await connectTemporal({ address, namespace });
  try {
    await expect(checkSearchAttributes(connected)).resolves.toBeUndefined();
  } finally {
    await connected.connection.close();
  }
});
