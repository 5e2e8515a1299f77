import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMENT_COMMANDS, parseCommand } from './commands.ts';

describe('parseCommand', () => {
  it.each([
    [':approved:', 'approve', ''],
    ['/approve', 'approve', ''],
    ['/APPROVE', 'approve', ''],
    ['  /Approve  thanks', 'approve', 'thanks'],
    [':Rejected: the spec misses X', 'reject', 'the spec misses X'],
    [':rejected:why', 'reject', 'why'],
    ['/reject why not', 'reject', 'why not'],
    ['/reject: why not', 'reject', 'why not'],
    ['/reject\nline one\nline two', 'reject', 'line one\nline two'],
    ['/recheck', 'recheck', ''],
    ['/retry', 'retry', ''],
    ['/skip', 'skip', ''],
    ['/pause', 'pause', ''],
    ['/resume', 'resume', ''],
    ['/cancel', 'cancel', ''],
    ['/status', 'status', ''],
    ['/go', 'go', ''],
    ['<p>/approve</p>', 'approve', ''],
    ['<p class="a>b">:approved:</p>', 'approve', ''],
    ['<p><strong>/rej</strong>ect too <em>slow</em></p>', 'reject', 'too slow'],
    ['<p>/reject a &lt; b &amp;&nbsp;c</p><p>more</p>', 'reject', 'a < b & c\n\nmore'],
    ['<p>&#47;approve</p>', 'approve', ''],
    ['\uFEFF\u200B/approve', 'approve', ''],
    ['<blockquote><p>/reject it</p></blockquote><p>/approve</p>', 'approve', ''],
    ['> /reject it\n\n/approve', 'approve', ''],
    ['/reject see <code>a.ts</code>', 'reject', 'see a.ts'],
    ['<!-- note -->/approve', 'approve', ''],
  ])('%j gives %s', (comment, command, text) => {
    expect(parseCommand(comment)).toEqual({ command, text });
  });

  it.each([
    '',
    'please /approve',
    'approve',
    '/approved',
    '/approve: no, wait',
    '/approve?',
    '/approve/it',
    '/deploy',
    ':reject:',
    ':thumbsup:',
    ':constructor:',
    '"/approve"',
    '«/approve»',
    "'/approve'",
    '`/approve`',
    '```\n/approve\n```',
    '> /approve',
    '  > /approve',
    '&gt; /approve',
    '<blockquote>/approve</blockquote>',
    '<blockquote><blockquote>a</blockquote>/approve</blockquote>',
    '<blockquote>/approve',
    '<BLOCKQUOTE class="x">/approve</BLOCKQUOTE>',
    '<code>/approve</code>',
    '<pre><code>/approve</code></pre>',
    '<pre>x</pre>/approve',
    '<q>/approve</q>',
    '<!-- /approve -->',
    '<script>/approve</script>',
    '<p>Looks good.</p><p>/approve</p>',
    '<img alt="/approve"> text',
  ])('%j gives none', (comment) => {
    expect(parseCommand(comment)).toBeNull();
  });

  const words = fc.constantFrom(...COMMENT_COMMANDS.map((command) => `/${command}`), ':approved:', ':rejected:');

  it('never obeys what is quoted', () => {
    const wrap = fc.constantFrom(
      (inner: string) => `<blockquote>${inner}</blockquote>`,
      (inner: string) => `<code>${inner}</code>`,
      (inner: string) => `<p>&quot;${inner}&quot;</p>`,
      (inner: string) => `> ${inner}`,
    );
    fc.assert(
      fc.property(words, wrap, (word, quote) => {
        expect(parseCommand(quote(word))).toBeNull();
      }),
    );
  });

  it('obeys the bare word in any case and reads its text', () => {
    fc.assert(
      fc.property(words, fc.boolean(), fc.stringMatching(/^[a-z ]{0,20}$/), (word, upper, text) => {
        const parsed = parseCommand(`${upper ? word.toUpperCase() : word} ${text}`);
        expect(parsed?.text).toBe(text.trim());
      }),
    );
  });

  it('is bounded on hostile comments and never throws', () => {
    const started = performance.now();
    for (const hostile of [
      '<a "'.repeat(50_000),
      '<'.repeat(200_000),
      '<blockquote>'.repeat(20_000),
      '&'.repeat(200_000),
      '<!--'.repeat(50_000),
    ]) {
      expect(parseCommand(hostile)).toBeNull();
    }
    expect(performance.now() - started).toBeLessThan(2000);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseCommand(`word ${text}`)).toBeNull();
      }),
    );
  });
});
