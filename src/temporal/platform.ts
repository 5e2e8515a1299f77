/**
 * What this machine is called by Temporal's archives and by Go.
 */
export interface Platform {
  os: 'linux' | 'darwin';
  arch: 'amd64' | 'arm64';
}

/** Throws an Error naming the platform if there is no Temporal CLI for it. */
export function explainPlatform(): Platform {
  const os = process.platform === 'linux' || process.platform === 'darwin' ? process.platform : null;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch === 'arm64' ? 'arm64' : null;
  if (os === null || arch === null) throw new Error(`there is no release for ${process.platform} on ${process.arch}`);
  return { os, arch };
}
