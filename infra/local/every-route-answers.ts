import http from 'node:http';
import https from 'node:https';

/**
 * One request to each function behind the fronts, through the certificate that clients will see.
 *
 * @param ca PEM of who vouches for it
 * @throws {Error} with the address that does not answer in time
 */
export async function everyRouteAnswers(url: string, pkiUrl: string, ca: string): Promise<void> {
  const targets = [
    `${url}/health`,
    `${url}/ready?deep=1`,
    `${url}/acme/profile/default/directory`,
    `${pkiUrl}/.well-known/pki/crl/issuing-1.crl`,
  ];
  await Promise.all(
    targets.map(async (target) => {
      const deadline = Date.now() + 15_000;
      for (;;) {
        const status = await get(target, ca).catch(() => 0);
        if (status === 200) return;
        if (Date.now() > deadline) throw new Error(`${target} answers with status ${status}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }),
  );
}

function get(target: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = target.startsWith('https:') ? https.get(target, { ca, agent: false }) : http.get(target, { agent: false });
    request.on('error', reject).on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
  });
}
