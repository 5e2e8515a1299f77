/**
 * Says on the board and to people what happened, in order. Each effect is create-or-get by its key, so a repeated
 * delivery says nothing twice; an effect that can never be delivered is dropped with a note, and the rest goes on.
 */
import { renderAlert, renderComment } from '../src/domain/messages.ts';
import { TrackerError } from '../src/trackers/port.ts';
import type { AlertKind } from '../src/domain/types.ts';
import type { Deps } from './deps.ts';
import type { DeliverInput, Effect } from './types.ts';

export async function deliver(deps: Deps, input: DeliverInput): Promise<void> {
  for (const effect of input.effects) {
    try {
      await deliverOne(deps, input, effect);
    } catch (error) {
      if (!(error instanceof TrackerError) || error.retryable) throw error;
      deps.log('the board refused a write for good; it is dropped', { key: effect.key, reason: error.message });
    }
  }
}

async function deliverOne(deps: Deps, input: DeliverInput, effect: Effect): Promise<void> {
  const { language } = deps.config();
  const { itemId, title } = input;
  switch (effect.kind) {
    case 'comment': {
      const body = renderComment(effect.message, effect.data, { itemId, language });
      await deps.tracker.addComment(itemId, { key: effect.key, body });
      return;
    }
    case 'state':
      await deps.tracker.setState(itemId, effect.state);
      return;
    case 'alert': {
      const { key, alert: kind, cause, data } = effect;
      await deps.notifier.notify(renderAlert({ key, kind, cause, data }, { itemId, title, language }));
      return;
    }
    default:
      effect satisfies never;
  }
}

export async function raiseAlert(
  deps: Deps,
  input: { key: string; kind: AlertKind; subject: string; reason: string },
): Promise<void> {
  const { key, kind, subject, reason } = input;
  await deps.notifier.notify({ key, kind, itemId: subject, title: subject, reason });
}
