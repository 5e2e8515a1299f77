import { expect, test } from 'vitest';
import type { LaunchRequest } from '../contract.ts';
import { linesOf, readLines } from './fixtures.test-helper.ts';
import { createClaudeCli } from './index.ts';

const request: LaunchRequest = {
  itemId: 'ET-12',
  stage: 'development',
  role: 'developer',
  cwd: '/trees/ET-12',
  runDir: '/runs/ET-12/r1',
  promptPath: '/runs/ET-12/r1/prompt.md',
  model: 'claude-opus-4-8',
  effort: 'xhigh',
  sessionId: '11111111-1111-4111-8111-111111111111',
  settings: {},
};

test('a fresh launch: stream-json, pre-assigned session, prompt on stdin', () => {
  expect(createClaudeCli({ env: {}, uid: 1000 }).plan(request)).toEqual({
    argv: [
      'claude',
      '-p',
      '--output-format',
      'stream-json',
      '--verbose',
      '--model',
      'claude-opus-4-8',
      '--effort',
      'xhigh',
      '--session-id',
      request.sessionId,
      '--dangerously-skip-permissions',
      '--setting-sources',
      'user',
      '--strict-mcp-config',
      '--disallowedTools=ScheduleWakeup,CronCreate,Monitor,EnterWorktree,ExitWorktree',
    ],
    env: {
      TZ: 'UTC',
      DISABLE_AUTOUPDATER: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
      CLAUDE_CODE_STARTUP_FAILURE_RESULTS: '1',
      CLAUDE_CODE_MAX_RETRIES: '3',
    },
  });
});

test('a resume names the session and assigns none', () => {
  const { argv } = createClaudeCli({ env: {}, uid: 1000 }).plan({ ...request, resumeSessionId: 'old', effort: null });
  expect(argv).toContain('--resume');
  expect(argv[argv.indexOf('--resume') + 1]).toBe('old');
  expect(argv).not.toContain('--session-id');
  expect(argv).not.toContain('--effort');
});

test('budget, binary, configuration directory and extra arguments', () => {
  const settings = { binary: '/opt/claude', configDir: '/logins/a', extraArgs: ['--max-turns', '40'] };
  const plan = createClaudeCli({ env: {}, uid: 0 }).plan({ ...request, maxBudgetUsd: 2.5, settings });
  expect(plan.argv[0]).toBe('/opt/claude');
  expect(plan.argv.join(' ')).toContain('--max-budget-usd 2.5 --max-turns 40');
  expect(plan.env).toMatchObject({ CLAUDE_CONFIG_DIR: '/logins/a', IS_SANDBOX: '1' });
});

test("of the worker's environment only the agent's login and what is named passes", () => {
  const env = {
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_AUTH_TOKEN: '',
    ANTHROPIC_BASE_URL: 'http://localhost:1',
    PLANE_TOKEN: 'secret',
    PROXY_CA: '/ca.pem',
    TZ: 'Europe/Warsaw',
  };
  const plan = createClaudeCli({ env, uid: 1000 }).plan({ ...request, settings: { passEnv: ['PROXY_CA', 'ABSENT'] } });
  expect(plan.env).toMatchObject({
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: 'http://localhost:1',
    PROXY_CA: '/ca.pem',
    TZ: 'UTC',
  });
  expect(Object.keys(plan.env)).not.toContain('PLANE_TOKEN');
  expect(Object.keys(plan.env)).not.toContain('ANTHROPIC_AUTH_TOKEN');
  expect(Object.keys(plan.env)).not.toContain('IS_SANDBOX');
});

test('ticket text never becomes an argument', () => {
  const plan = createClaudeCli({ env: {}, uid: 1000 }).plan({ ...request, itemId: '--help', promptPath: '$(id)' });
  expect(plan.argv.join(' ')).not.toMatch(/--help|\$\(id\)/u);
});

test('the login is named after its directory, the same on every host', () => {
  const cli = createClaudeCli({ env: {}, uid: 1000 });
  expect(cli.login({})).toBe('claude');
  expect(cli.login({ configDir: '/home/a/.claude' })).toBe('claude');
  expect(cli.login({ configDir: '/home/a/logins/team two' })).toBe('claude-team-two');
  expect(cli.login({ configDir: '/srv/b/logins/team two/' })).toBe('claude-team-two');
  expect(cli.login({ configDir: '/x', login: 'main' })).toBe('main');
});

test('a refused resume is recognised', () => {
  const cli = createClaudeCli({ env: {}, uid: 1000 });
  const { result } = readLines(linesOf('claude-resume-unknown.stream.jsonl'));
  expect(result?.ok).toBe(false);
  expect(cli.isResumeRefused?.(result?.text ?? '')).toBe(true);
  expect(cli.isResumeRefused?.('API Error: 500')).toBe(false);
});
