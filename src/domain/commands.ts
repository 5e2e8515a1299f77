/**
 * Commands in board comments: the first word, any case, never inside a quotation or code. A reply that quotes somebody's
 * `/approve`, or a page that explains it, must approve nothing.
 */

export const COMMENT_COMMANDS = [
  'approve',
  'reject',
  'recheck',
  'retry',
  'skip',
  'pause',
  'resume',
  'cancel',
  'status',
  'go',
] as const;
export type CommentCommand = (typeof COMMENT_COMMANDS)[number];

export interface ParsedCommand {
  command: CommentCommand;
  /** What follows the word, trimmed: the reason of a rejection. */
  text: string;
}

/** A command is the first word, so more of a comment need not be looked at. */
const COMMENT_LIMIT_CHARS = 16_384;

/** Stands before text that is code or a quotation within a line: the text stays readable, but starts no command. */
const CODE_MARK = '\u0000';

const SHORTCODES: Record<string, CommentCommand> = { approved: 'approve', rejected: 'reject' };

/** The command that a comment (HTML or plain text) gives, or null. */
export function parseCommand(comment: string): ParsedCommand | null {
  const text = readableText(comment.slice(0, COMMENT_LIMIT_CHARS));
  const match = /^(?:\/([a-z]+)(?=\s|$|:)|:([a-z]+):)/i.exec(text);
  if (match === null) return null;
  const word = (match[1] ?? match[2] ?? '').toLowerCase();
  const command = match[1] === undefined ? shortcode(word) : COMMENT_COMMANDS.find((known) => known === word);
  const rest = text.slice(match[0].length);
  if (command === undefined || (rest.startsWith(':') && command !== 'reject')) return null;
  return { command, text: rest.replace(/^:/, '').replaceAll(CODE_MARK, '').trim() };
}

function shortcode(word: string): CommentCommand | undefined {
  return Object.hasOwn(SHORTCODES, word) ? SHORTCODES[word] : undefined;
}

/** Text without tags and without quoted blocks; code within it is marked. */
function readableText(comment: string): string {
  const lines = decodeEntities(stripHtml(comment)).split(/\r\n|\r|\n/);
  return lines
    .filter((line) => !/^\s*>/.test(line))
    .join('\n')
    .replace(/^[\s\u200B-\u200D\u2060\uFEFF]+/, '');
}

const TAG = /<!--[\s\S]*?(?:-->|$)|<(\/?)([a-z][a-z0-9:-]*)((?:"[^"]*"|'[^']*'|[^"'<>])*)>/gi;
const DROPPED = new Set(['blockquote', 'script', 'style', 'template', 'head', 'title']);
const MARKED = new Set(['code', 'pre', 'q', 'kbd', 'samp', 'tt']);
const INLINE = new Set([
  'a',
  'b',
  'i',
  'u',
  's',
  'em',
  'strong',
  'span',
  'mark',
  'small',
  'sub',
  'sup',
  'del',
  'ins',
  'font',
]);

function stripHtml(html: string): string {
  let text = '';
  let depth = 0;
  let from = 0;
  for (const match of html.matchAll(TAG)) {
    if (depth === 0) text += html.slice(from, match.index);
    from = match.index + match[0].length;
    const name = (match[2] ?? '').toLowerCase();
    const closing = match[1] === '/';
    if (DROPPED.has(name) && !(match[3] ?? '').endsWith('/')) depth = Math.max(depth + (closing ? -1 : 1), 0);
    if (depth > 0) continue;
    if (MARKED.has(name)) text += closing ? '' : CODE_MARK;
    else if (name !== '' && !INLINE.has(name)) text += '\n';
  }
  return depth === 0 ? text + html.slice(from) : text;
}

const ENTITIES: Record<string, string> = {
  nbsp: ' ',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  colon: ':',
  sol: '/',
};

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi,
    (all, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined)
        return Object.hasOwn(ENTITIES, name.toLowerCase()) ? (ENTITIES[name.toLowerCase()] ?? all) : all;
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : all;
    },
  );
}
