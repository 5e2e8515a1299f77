/**
 * Names that are made from an item's id and a person's words: branch, pull request, artifact directory. Ticket text must
 * neither break a git ref nor make a forge do something (close an issue, call a person, mark a draft, skip CI).
 */

const SLUG_LENGTH = 48;
const TITLE_LENGTH = 200;
const ZERO_WIDTH_SPACE = '\u200B';

const CYRILLIC: Record<string, string> = {
  а: 'a',
  б: 'b',
  в: 'v',
  г: 'g',
  д: 'd',
  е: 'e',
  ё: 'e',
  ж: 'zh',
  з: 'z',
  и: 'i',
  й: 'y',
  к: 'k',
  л: 'l',
  м: 'm',
  н: 'n',
  о: 'o',
  п: 'p',
  р: 'r',
  с: 's',
  т: 't',
  у: 'u',
  ф: 'f',
  х: 'h',
  ц: 'ts',
  ч: 'ch',
  ш: 'sh',
  щ: 'sch',
  ъ: '',
  ы: 'y',
  ь: '',
  э: 'e',
  ю: 'yu',
  я: 'ya',
  і: 'i',
  ї: 'yi',
  є: 'ye',
  ґ: 'g',
  ў: 'u',
};

/** `KEY-number` as boards make it, e.g. `ET-12`. Safe as a path segment, a git ref and a workflow id. */
export function isValidItemId(text: string): boolean {
  return /^[A-Z0-9][A-Z0-9_]{0,19}-[1-9][0-9]{0,8}$/.test(text);
}

/** `feature/<ID>-<slug>`; always a valid git ref, whatever the title. */
export function branchName(itemId: string, title: string): string {
  const id = itemId
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  return `feature/${id === '' ? 'item' : id}-${slugOf(title)}`;
}

/** `<ID>: text` on one line, bounded, with everything that a forge would act upon broken up. */
export function pullRequestTitle(itemId: string, title: string): string {
  const line = title
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/ +/g, ' ')
    .trim();
  const safe = Array.from(neutraliseText(line)).slice(0, TITLE_LENGTH).join('').trim();
  return `${itemId}: ${safe === '' ? 'work item' : safe}`;
}

/**
 * Breaks up, with a zero-width space that readers do not see, whatever a forge acts upon: closing keywords before a
 * reference, `#1`, `!1`, `GH-1`, links to issues and pull requests, `@name`, a leading `WIP:` or `Draft:`, and the marks
 * that make CI skip a commit. Nothing is taken away; doing it twice changes nothing more.
 */
export function neutraliseText(text: string): string {
  return text
    .replace(CLOSING_KEYWORD, (word) => breakWord(word))
    .replace(/([#!])(?=[0-9])/g, `$1${ZERO_WIDTH_SPACE}`)
    .replace(/\b(GH-)(?=[0-9])/gi, `$1${ZERO_WIDTH_SPACE}`)
    .replace(/(\/(?:issues|pulls?|merge_requests|work_items)\/)(?=[0-9])/gi, `$1${ZERO_WIDTH_SPACE}`)
    .replace(/@(?=[A-Za-z0-9_.-])/g, `@${ZERO_WIDTH_SPACE}`)
    .replace(/\[(?=(?:skip|no)[ -](?:ci|actions)\]|(?:ci|actions)[ -]skip\])/gi, `[${ZERO_WIDTH_SPACE}`)
    .replace(/\*\*\*(?=NO_CI\*\*\*)/gi, `***${ZERO_WIDTH_SPACE}`)
    .replace(/^(\s*[[(]?\s*)(wip|draft|work in progress)(?![\p{L}\p{N}_])/iu, (_all, lead: string, word: string) => {
      return `${lead}${breakWord(word)}`;
    });
}

/** The item's artifact directory from its template, e.g. `docs/work-items/<ID>`. Throws on an invalid id. */
export function artifactsDirectory(template: string, itemId: string): string {
  if (!isValidItemId(itemId)) throw new Error(`invalid work item id: ${JSON.stringify(itemId.slice(0, 60))}`);
  return template.replaceAll('<ID>', itemId).replace(/\/+$/, '');
}

const CLOSING_KEYWORD = new RegExp(
  String.raw`\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?|reopen(?:s|ed|ing)?)` +
    String.raw`(?=\s*:?\s*(?:issues?\s+)?(?:[#!]|https?:\/\/|[\w.-]+\/[\w./-]+[#!]|[A-Za-z][A-Za-z0-9_]*-[0-9]))`,
  'gi',
);

function breakWord(word: string): string {
  return `${word.slice(0, 1)}${ZERO_WIDTH_SPACE}${word.slice(1)}`;
}

function slugOf(title: string): string {
  let ascii = '';
  for (const letter of title.slice(0, 400).toLowerCase()) ascii += CYRILLIC[letter] ?? letter;
  const slug = ascii
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH)
    .replace(/^-+|-+$/g, '');
  return slug === '' ? 'work' : slug;
}
