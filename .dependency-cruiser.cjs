/** Who may import whom: the tree tells the story, this file enforces it. @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', comment: 'A cycle hides a missing noun.', from: {}, to: { circular: true } },
    {
      name: 'domain-is-pure',
      severity: 'error',
      comment: 'domain imports nothing of the other folders; ports come in as arguments.',
      from: { path: '^domain/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(contract|connectors|adapters|functions|infra|clients|test)/' },
    },
    {
      name: 'domain-knows-no-vendor',
      severity: 'error',
      comment: 'No AWS SDK, no pg, no middy, no process or network in the domain.',
      from: { path: '^domain/', pathNot: '\\.test\\.ts$' },
      to: {
        path: '(node_modules/(@aws-sdk|@smithy|@middy|pg|postgres-migrations|aws-cdk-lib)/)|^(node:)?(fs|tls|http|https|dns|child_process|process)$',
      },
    },
    {
      name: 'contract-imports-domain-only',
      severity: 'error',
      from: { path: '^contract/' },
      to: { path: '^(connectors|adapters|functions|infra|clients|test)/' },
    },
    {
      name: 'adapters-import-domain-only',
      severity: 'error',
      from: { path: '^(adapters|connectors)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(contract|functions|infra|clients|test)/' },
    },
    { name: 'functions-never-import-infra', severity: 'error', from: { path: '^functions/' }, to: { path: '^(infra|clients|test)/' } },
    {
      name: 'functions-share-only-shared',
      severity: 'error',
      comment: 'A function imports its own folder and functions/shared, never another function.',
      from: { path: '^functions/([^/]+)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^functions/([^/]+)/', pathNot: '^functions/($1|shared)/' },
    },
    {
      name: 'infra-names-functions-by-path',
      severity: 'error',
      comment: 'infra describes and plays functions; it imports none of their code. Tables that are data are no code.',
      from: { path: '^infra/' },
      to: {
        path: '^(domain|contract|connectors|adapters|functions|clients|test)/',
        pathNot: '^domain/(schedule/loops|limit/limits|metric/series)\\.ts$',
      },
    },
    {
      name: 'local-reads-the-template',
      severity: 'error',
      comment: 'infra/local plays the synthesized template and imports nothing of the CDK app but the bundler.',
      from: { path: '^infra/local/', pathNot: '\\.test\\.ts$' },
      to: { path: '^infra/(?!local/|bundle)' },
    },
    {
      name: 'clients-know-the-contract-only',
      severity: 'error',
      comment: 'What a client knows of the platform is the contract; between clients, only how to call it is shared.',
      from: { path: '^clients/([^/]+)/', pathNot: '\\.test\\.ts$|^clients/agent/' },
      to: { path: '^(domain|connectors|adapters|functions|infra|test)/|^clients/', pathNot: '^clients/(http|$1)/' },
    },
    {
      name: 'the-agent-deploys',
      severity: 'error',
      comment: 'The agent also has the domain, for keys and signatures, and the targets that it deploys to.',
      from: { path: '^clients/agent/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(connectors|adapters|functions|infra|test)/|^clients/', pathNot: '^clients/(http|agent)/|^connectors/targets/' },
    },
    { name: 'nothing-imports-clients', severity: 'error', from: { pathNot: '^(clients|test|docs)/' }, to: { path: '^clients/' } },
    {
      name: 'production-imports-no-test',
      severity: 'error',
      from: { pathNot: '(^test/)|(\\.test\\.ts$)' },
      to: { path: '(^test/)|(\\.test\\.ts$)' },
    },
    {
      name: 'acme-conformance-knows-no-server',
      severity: 'error',
      comment:
        'The suite tries any server by its directory; only its own tests know ours. What starts it is how every program of ours is started.',
      from: { path: '^test/acme-conformance/', pathNot: '\\.test\\.ts$' },
      to: {
        path: '^(domain|contract|connectors|adapters|functions|infra|clients|test)/',
        pathNot: '^(test/acme-conformance/|clients/http/launch\\.mjs$)',
      },
    },
    // aws-lambda exists as types only.
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^aws-lambda$' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(\\.build|cdk\\.out|\\.certctl)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'require'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
