import type { FailingNameStore } from '#domain/acme/store.ts';
import type { Identifier } from '#domain/acme/identifier.ts';
import type { HttpResponse } from '../shared/http.ts';

// Links are opened by mail filters and previews, too: reading changes nothing, the button does.
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
};

/** The page that tells whose names are paused, and has the button that lets them go on. */
export async function showPaused(store: FailingNameStore, token: string): Promise<HttpResponse> {
  const names = await store.paused(token);
  if (names.length === 0) return nothingPaused();
  return page(
    200,
    'Validations are paused',
    `<p>The certificate authority has stopped to accept orders of one ACME account for these names, for their validations keep failing:</p>
${list(names)}<p>Put right what fails, then let them go on. They are paused again when they go on failing.</p>
<form method="post"><button>Let them go on</button></form>`,
  );
}

/** What the button does. */
export async function unpauseAll(store: FailingNameStore, token: string): Promise<HttpResponse> {
  const names = await store.unpause(token);
  if (names.length === 0) return nothingPaused();
  return page(200, 'Validations go on', `<p>Orders for these names are accepted again:</p>\n${list(names)}`);
}

function nothingPaused(): HttpResponse {
  return page(404, 'Nothing is paused', '<p>The address is not right, or what was paused here goes on already.</p>');
}

function list(names: readonly Identifier[]): string {
  return `<ul>\n${names.map(({ value }) => `<li>${escaped(value)}</li>\n`).join('')}</ul>\n`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(status: number, title: string, body: string): HttpResponse {
  return {
    status,
    headers,
    body: `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style>
<h1>${title}</h1>
${body}
</html>
`,
  };
}
