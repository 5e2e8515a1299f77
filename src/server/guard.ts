/**
 * Who may read without signing in: somebody on this machine, seen directly. A loopback bind keeps others out; the Host
 * check keeps a web page from reading through the visitor's browser (DNS rebinding); a forwarding header means a proxy,
 * behind which every client looks local.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Why this request may not read, or null where it may. */
export function refuseRead(bindHost: string, headers: IncomingHttpHeaders): string | null {
  if (!isLoopback(bindHost)) {
    return `reading without signing in needs a loopback bind; this server is bound to ${bindHost}`;
  }
  const forwarded = Object.keys(headers).find((name) => /^(forwarded|x-forwarded-.*|x-real-ip)$/i.test(name));
  if (forwarded !== undefined) {
    return `reading without signing in is refused behind a proxy (${forwarded} is set)`;
  }
  const host = headers.host ?? '';
  if (!isLocalHost(host)) {
    return 'reading without signing in needs a Host of localhost, 127.0.0.1 or [::1]';
  }
  return null;
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

function isLocalHost(header: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(header);
}
