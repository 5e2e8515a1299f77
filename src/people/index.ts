/** People: who may give commands, and the proof that it was they. */
export { signEvidence, verifyEvidence } from './evidence.ts';
export type { EvidenceCheck, SignedCommand } from './evidence.ts';
export { ensureLocalPerson, hashToken, localPersonName } from './local-person.ts';
export type { LocalPerson } from './local-person.ts';
export { mergePeople, peopleFile, readPeople } from './store.ts';
