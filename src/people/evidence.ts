/**
 * Proof of who gave a command, and its check. The MAC covers everything the command says (item, command, stage, commit,
 * text, nonce, time): a proof for one approval cannot be turned into another, or into the same one for a moved head.
 */
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Person } from '../config-types.ts';
import { evidencePayload } from '../domain/evidence.ts';
import type { Evidence, TokenEvidence } from '../domain/protocol.ts';

/** What is signed. `stage`, `commit` and `text` as they stand in the command; null where it names none. */
export interface SignedCommand {
  itemId: string;
  command: string;
  stage: string | null;
  commit: string | null;
  text: string | null;
}

export type EvidenceCheck = { ok: true; person: string; approver: boolean } | { ok: false; reason: string };

/** How far ahead of ours a signer's clock may be, milliseconds. */
const CLOCK_SKEW_MS = 60_000;

/** Signs a command with a person's token. The token itself is not in the result. */
export function signEvidence(request: SignedCommand & { token: string; person: string; nowMs: number }): TokenEvidence {
  const nonce = randomUUID();
  const key = createHash('sha256').update(request.token).digest();
  const mac = computeMac(key, request, nonce, request.nowMs);
  return { kind: 'token', person: request.person, nonce, at: request.nowMs, mac: mac.toString('hex') };
}

/**
 * Checks a proof against the stored hash of the person it names. `maxAgeMs` bounds how long a proof may lie around.
 * Says who it was and whether that person may approve; never throws.
 */
export function verifyEvidence(
  request: SignedCommand & { evidence: Evidence; people: readonly Person[]; nowMs: number; maxAgeMs: number },
): EvidenceCheck {
  const { evidence, people, nowMs, maxAgeMs } = request;
  if (evidence.kind !== 'token')
    return { ok: false, reason: `evidence of kind ${evidence.kind} is not checked by token` };
  const person = people.find((candidate) => candidate.name === evidence.person);
  const stored = /^sha256:([0-9a-f]{64})$/.exec(person?.tokenHash ?? '')?.[1];
  const expected = computeMac(Buffer.from(stored ?? '', 'hex'), request, evidence.nonce, evidence.at);
  const same = equalInConstantTime(expected, Buffer.from(evidence.mac, 'hex'));
  if (person === undefined) return { ok: false, reason: `${evidence.person} is not a person of this instance` };
  if (stored === undefined) return { ok: false, reason: `${evidence.person} has no token here` };
  if (!same) return { ok: false, reason: `the signature of ${evidence.person} does not fit this command` };
  if (!Number.isFinite(evidence.at) || evidence.at > nowMs + CLOCK_SKEW_MS)
    return { ok: false, reason: 'it is signed for the future: check the clocks' };
  if (evidence.at < nowMs - maxAgeMs)
    return { ok: false, reason: 'it was signed too long ago: give the command again' };
  return { ok: true, person: person.name, approver: person.approver };
}

function computeMac(key: Buffer, command: SignedCommand, nonce: string, at: number): Buffer {
  const { itemId, stage, commit, text } = command;
  const payload = evidencePayload({ itemId, command: command.command, stage, commit, text, nonce, at });
  return createHmac('sha256', key).update(payload).digest();
}

function equalInConstantTime(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
