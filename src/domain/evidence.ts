/** What a person's proof is computed over. Two different commands must never give the same bytes. */

export interface EvidenceFields {
  itemId: string;
  command: string;
  stage: string | null;
  commit: string | null;
  text: string | null;
  nonce: string;
  /** Epoch milliseconds at which it was signed. */
  at: number;
}

/**
 * The canonical text of a command: a JSON array with a format mark. JSON's quoting keeps fields apart, tells null from
 * an empty string, and escapes lone surrogates, so that its UTF-8 bytes are as distinct as the fields.
 */
export function evidencePayload(fields: EvidenceFields): string {
  const { itemId, command, stage, commit, text, nonce, at } = fields;
  return JSON.stringify(['stagewright-evidence-1', itemId, command, stage, commit, text, nonce, String(at)]);
}
