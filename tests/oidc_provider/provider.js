// A real OpenID provider on loopback, for tests: signed JWT access tokens of whomever the test names.
//
// node provider.js PORT KEYS.json, which holds private JSON Web Keys. Prints "ready" once it listens.
// POST /token with grant_type=client_credentials, resource=<audience>, alg=<RS256 or ES256> and claims=<JSON object>.
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const [port, keys] = process.argv.slice(2);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: JSON.parse(readFileSync(keys)) },
  clients: [{
    client_id: 'tests',
    client_secret: 'known-to-the-tests-alone',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  }],
  clientDefaults: { id_token_signed_response_alg: JSON.parse(readFileSync(keys))[0].alg },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, audience) => ({
        scope: 'run',
        audience,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: ctx.oidc.body.alg } },
      }),
    },
  },
  ttl: { ClientCredentials: 300 },
  formats: {
    customizers: {
      // What a provider's directory knows of the user; here the test says it.
      jwt: (ctx, token, parts) => Object.assign(parts.payload, JSON.parse(ctx.oidc.body.claims)),
    },
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
