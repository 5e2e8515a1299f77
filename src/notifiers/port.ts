/** Where alerts go. Deduplicated by key by the caller's outbox; a notifier may see a key twice after a lost answer. */
import type { AlertKind } from '../domain/types.ts';

export interface Alert {
  key: string;
  kind: AlertKind;
  itemId: string;
  title: string;
  reason: string;
  logPath?: string;
  /** The exact command that goes on from here. */
  next?: string;
}

export interface Notifier {
  notify(alert: Alert): Promise<void>;
}
