/**
 * Places for runs on this host, shared by all its worker processes: agents and heavy gates each have N.
 * A slot is a file `<home>/host/slots/<kind>-<index>.<generation>`; the highest generation speaks. It is taken by link(2)
 * of the next one, which exactly one process wins, and the highest is never removed: so a slow process that judged an old
 * owner stale can neither displace the new one nor open a gap. (Renaming a stale file away can do both.)
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { uptime } from 'node:os';
import { createExclusive, readBootId, readSmallFile } from '../supervisor.ts';
import { readRunState } from './state.ts';
import { isTreeAlive } from './sweep.ts';

export type SlotKind = 'agent' | 'gate';

export interface SlotRequest {
  runId: string;
  runDir: string;
  /** How long the slot is held while the run has no launch record, milliseconds. */
  reserveMs: number;
}

export interface SlotView {
  index: number;
  runId: string;
  runDir: string;
  taken: boolean;
  /** `reserved`: no launch record yet. `leftover`: its supervisor is dead, its processes are not. */
  use: 'reserved' | 'running' | 'leftover' | 'free';
  reservedAtMs: number;
}

interface Reservation extends SlotRequest {
  format: 1;
  bootId: string | null;
  /** Seconds since boot: no wall clock that may jump. */
  uptimeS: number;
  reservedAtMs: number;
}

interface Slot {
  index: number;
  generation: number;
  reservation: Reservation | null;
}

/**
 * Reserves one of `count` slots for a run, or says that none is free. Asking again for the same run answers true and, while
 * it is not launched, starts its reservation anew. It is given up by itself when the run has ended, is lost with nothing of
 * it alive, or has not been launched within `reserveMs`; nothing has to be released.
 */
export async function reserveSlot(home: string, kind: SlotKind, count: number, request: SlotRequest): Promise<boolean> {
  mkdirSync(slotsDirectory(home), { recursive: true, mode: 0o700 });
  const slots = readSlots(home, kind);
  const taken = slots.filter((slot) => useOf(slot) !== 'free');
  const own = taken.find((slot) => slot.reservation?.runId === request.runId);
  if (own !== undefined && (!isAgeing(own) || takeNext(home, kind, own, request))) return true;
  // Also counts slots beyond `count`, from before the number was lowered.
  if (taken.length >= count) return false;
  for (let index = 0; index < count; index += 1) {
    if (taken.some((slot) => slot.index === index)) continue;
    const slot = slots.find((found) => found.index === index) ?? { index, generation: 0, reservation: null };
    if (takeNext(home, kind, slot, request)) {
      keepOne(home, kind, index, request.runId);
      return true;
    }
  }
  return false;
}

/** Past a quarter of its time, so that somebody who asks in a loop does not write in a loop. */
function isAgeing(slot: Slot): boolean {
  return (
    useOf(slot) === 'reserved' && slot.reservation !== null && ageMs(slot.reservation) > slot.reservation.reserveMs / 4
  );
}

function ageMs(reservation: Reservation): number {
  const age = (uptime() - reservation.uptimeS) * 1000;
  return age < 0 ? Infinity : age;
}

/** Gives a reservation back before its time, where the run was never launched (a cancelled claim). */
export function releaseSlot(home: string, kind: SlotKind, runId: string): void {
  for (const slot of readSlots(home, kind)) {
    if (slot.reservation?.runId === runId && useOf(slot) === 'reserved') takeNext(home, kind, slot, null);
  }
}

/** The slots that have ever been used, by index. */
export function listSlots(home: string, kind: SlotKind): SlotView[] {
  return readSlots(home, kind).flatMap((slot) => {
    if (slot.reservation === null) return [];
    const { runId, runDir, reservedAtMs } = slot.reservation;
    const use = useOf(slot);
    return [{ index: slot.index, runId, runDir, taken: use !== 'free', use, reservedAtMs }];
  });
}

function slotsDirectory(home: string): string {
  return path.join(home, 'host', 'slots');
}

function slotFile(home: string, kind: SlotKind, index: number, generation: number): string {
  return path.join(slotsDirectory(home), `${kind}-${index}.${generation}`);
}

function listGenerations(home: string, kind: SlotKind): { index: number; generation: number }[] {
  let names: string[];
  try {
    names = readdirSync(slotsDirectory(home));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const match = /^(\w+)-(\d+)\.(\d+)$/.exec(name);
    return match?.[1] === kind ? [{ index: Number(match[2]), generation: Number(match[3]) }] : [];
  });
}

function readSlots(home: string, kind: SlotKind): Slot[] {
  const highest = new Map<number, number>();
  for (const { index, generation } of listGenerations(home, kind)) {
    highest.set(index, Math.max(generation, highest.get(index) ?? 0));
  }
  return [...highest]
    .toSorted(([a], [b]) => a - b)
    .map(([index, generation]) => ({
      index,
      generation,
      reservation: readReservation(slotFile(home, kind, index, generation)),
    }));
}

/** Null: given back, torn by a power failure, or already replaced by a higher generation (whose link then decides). */
function readReservation(file: string): Reservation | null {
  try {
    const value: Reservation | null = JSON.parse(readSmallFile(file, 64 * 1024) ?? 'null');
    return value?.format === 1 && typeof value.runId === 'string' && typeof value.runDir === 'string' ? value : null;
  } catch {
    return null;
  }
}

/** True if this call made the next generation of the slot, and it is the highest. */
function takeNext(home: string, kind: SlotKind, slot: Slot, request: SlotRequest | null): boolean {
  const { index } = slot;
  const generation = slot.generation + 1;
  const reservation: Reservation | null =
    request === null
      ? null
      : { format: 1, ...request, bootId: readBootId(), uptimeS: uptime(), reservedAtMs: Date.now() };
  if (!createExclusive(slotFile(home, kind, index, generation), `${JSON.stringify(reservation)}\n`)) return false;
  const all = listGenerations(home, kind).filter((found) => found.index === index);
  const highest = Math.max(...all.map((found) => found.generation));
  for (const found of all) {
    if (found.generation < highest) rmSync(slotFile(home, kind, index, found.generation), { force: true });
  }
  // Lower: our view was old, and its successors had come and been cleared away meanwhile.
  return highest === generation;
}

/** Two calls for one run at the same time may have taken two slots: the lower one stays. */
function keepOne(home: string, kind: SlotKind, index: number, runId: string): void {
  const twins = readSlots(home, kind).filter((slot) => slot.reservation?.runId === runId && useOf(slot) !== 'free');
  const mine = twins.find((slot) => slot.index === index);
  if (mine !== undefined && twins.some((slot) => slot.index < index)) takeNext(home, kind, mine, null);
}

function useOf(slot: Slot): SlotView['use'] {
  const { reservation } = slot;
  if (reservation === null || reservation.bootId !== readBootId()) return 'free';
  const { state } = readRunState(reservation.runDir);
  switch (state) {
    case 'launching':
    case 'running':
      return 'running';
    case 'ended':
      return 'free';
    case 'absent':
      return ageMs(reservation) < reservation.reserveMs ? 'reserved' : 'free';
    case 'lost':
    case 'corrupt':
      return isTreeAlive(reservation.runId, reservation.runDir) ? 'leftover' : 'free';
    default:
      return state satisfies never;
  }
}
