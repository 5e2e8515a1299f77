import { expect, it } from 'vitest';
import { baseEnvironment } from './environment.ts';

it('passes what a program needs, and UTC', () => {
  const env = {
    PATH: '/bin',
    HOME: '/home/a',
    LC_ALL: 'C.UTF-8',
    https_proxy: 'http://p',
    SSL_CERT_FILE: '/c',
    TZ: 'Asia/Tokyo',
  };
  expect(baseEnvironment(env)).toEqual({ ...env, TZ: 'UTC' });
});

it('passes the marks of the runs it works in itself', () => {
  expect(baseEnvironment({ STAGEWRIGHT_RUN_a_b: '1' })).toEqual({ STAGEWRIGHT_RUN_a_b: '1', TZ: 'UTC' });
});

it.each([
  'PLANE_API_KEY',
  'GITEA_TOKEN',
  'TELEGRAM_BOT_TOKEN',
  'TEMPORAL_ADDRESS',
  'STAGEWRIGHT_HOME',
  'STAGEWRIGHT_RUN',
  'ANTHROPIC_API_KEY',
  'GITHUB_TOKEN',
  'LC_TOKEN_x',
  'NODE_OPTIONS',
  'SSH_AUTH_SOCK',
  'SOMETHING_NEW',
])('keeps %s from the child', (name) => {
  expect(baseEnvironment({ [name]: 'secret' })).toEqual({ TZ: 'UTC' });
});
