/** Alerts on the terminal, and several notifiers as one. A notifier in trouble must not silence the others. */
import { alertSign } from '../../domain/messages.ts';
import type { Alert, Notifier } from '../port.ts';

const LINE_LIMIT_CHARS = 600;

/** Prints an alert as one line, and a second one where there is a log or a next command. `write` gets whole lines. */
export function openConsoleNotifier(options: { write: (text: string) => void }): Notifier {
  return {
    notify(alert: Alert): Promise<void> {
      options.write(formatAlert(alert));
      return Promise.resolve();
    },
  };
}

/** Writes to standard output. */
export function writeConsole(text: string): void {
  process.stdout.write(text);
}

/**
 * One notifier out of several: each gets every alert; throws only after all were asked, with what went wrong in each.
 * A repeated delivery may then reach the healthy ones twice, which the port allows.
 */
export function combineNotifiers(notifiers: readonly Notifier[]): Notifier {
  return {
    async notify(alert: Alert): Promise<void> {
      const results = await Promise.allSettled(notifiers.map(async (notifier) => await notifier.notify(alert)));
      const errors = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
      if (errors.length > 0)
        throw new AggregateError(errors, `${errors.length} of ${notifiers.length} notifiers failed`);
    },
  };
}

/** The text of an alert, with its newlines. */
export function formatAlert(alert: Alert): string {
  const first = `${alertSign(alert.kind)} ${alert.itemId} ${oneLine(alert.title, 80)}: ${oneLine(alert.reason, LINE_LIMIT_CHARS)}`;
  const more = [
    alert.next === undefined ? '' : `→ ${oneLine(alert.next, 300)}`,
    alert.logPath === undefined ? '' : `log ${oneLine(alert.logPath, 300)}`,
  ]
    .filter((part) => part !== '')
    .join(' · ');
  return more === '' ? `${first}\n` : `${first}\n   ${more}\n`;
}

/** No control characters: a title must not move the cursor of whoever reads. */
function oneLine(text: string, limit: number): string {
  const line = text
    .replace(/\p{Cc}+/gu, ' ')
    .replace(/ +/g, ' ')
    .trim();
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}
