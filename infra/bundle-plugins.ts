import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Plugin } from 'esbuild';

/** Who loads parts of its own bundle when they are asked for. */
const inside = /functions.api.(?:[a-z]+-)?areas\.ts$/;

/** Where a function's modules for later lie, beside what loads them. */
export const laterFolder = 'later';

/** Modules that no function runs, each with what takes its place. */
const leftOut: readonly { readonly module: RegExp; readonly importer: RegExp; readonly instead: string }[] = [
  // A function's credentials are in its environment, nowhere else: no files, no SSO, no metadata service.
  {
    module: /^@aws-sdk\/credential-provider-node$/,
    importer: /node_modules.@aws-sdk/,
    instead: "import { fromEnv } from '@aws-sdk/credential-provider-env'; export const defaultProvider = () => fromEnv();",
  },
  // None of our calls streams events.
  {
    module: /^@smithy\/core\/event-streams$/,
    importer: /node_modules.@(aws-sdk|smithy)/,
    instead:
      'export const resolveEventStreamSerdeConfig = (config) => config; export const eventStreamSerdeProvider = undefined; export const EventStreamSerde = undefined;',
  },
  // Schemas check what comes in; the documents that are made of them are made beforehand.
  {
    module: /^\.\.\/core\/(json-schema-processors|to-json-schema)\.js$/,
    importer: /node_modules.zod.v4.classic/,
    instead:
      "const none = () => () => { throw new Error('no JSON Schema at run time: see infra/bundle.ts') }; export const createToJSONSchemaMethod = none; export const createStandardJSONSchemaMethod = none; export const toJSONSchema = none();",
  },
  // pg asks for the native client only where somebody installed it.
  { module: /^\.\/native$/, importer: /node_modules.pg.lib/, instead: 'export default undefined;' },
];

/**
 * Puts the replacements above into the bundles. Each folder that asks gets one of its own: what a replacement imports is found from there, and
 * two releases of a package must not share it by who came first.
 */
export const leaveOut: Plugin = {
  name: 'leave-out',
  setup(build) {
    const root = build.initialOptions.absWorkingDir ?? process.cwd();
    for (const [index, { module, importer, instead }] of leftOut.entries()) {
      build.onResolve({ filter: module }, (found) =>
        importer.test(found.importer) ? { path: `${index}/${relative(root, dirname(found.importer))}`, namespace: 'left-out' } : undefined,
      );
      build.onLoad({ filter: new RegExp(`^${index}/`), namespace: 'left-out' }, ({ path }) => ({
        contents: instead,
        resolveDir: join(root, path.slice(`${index}/`.length)),
      }));
    }
  },
};

/**
 * The SDK describes every operation of a service in one module. Its descriptions have no effect, which computed keys hide from esbuild: said so,
 * those of the operations that we call remain.
 */
export const shakeSchemas: Plugin = {
  name: 'shake-schemas',
  setup(build) {
    build.onLoad({ filter: /@aws-sdk.client-[^/\\]+.dist-es.schemas.schemas_\d+\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /^export var (\S+) = (\[.*(?:\n[ \t].*)*(?:\n\])?);$/gm,
        'export var $1 = /* @__PURE__ */ (() => $2)();',
      ),
      loader: 'js',
    }));
  },
};

/**
 * Leaves what `import()` asks for out of a bundle, for bundles of its own: inside, esbuild would wrap each module that both need, and V8 read
 * those twice. What the control plane’s areas load stays inside: they share nearly all, and one of them runs at each start.
 *
 * @param found takes each module's path by the name of its bundle, which is the file's
 */
export function setAside(found: Map<string, string>): Plugin {
  return {
    name: 'set-aside',
    setup(build) {
      build.onResolve({ filter: /^[.#]/ }, async ({ path, kind, importer, resolveDir }) => {
        if (kind !== 'dynamic-import' || inside.test(importer)) return undefined;
        const resolved = await build.resolve(path, { kind: 'import-statement', importer, resolveDir });
        if (resolved.errors.length > 0) return { errors: resolved.errors };
        const name = basename(resolved.path).replace(/\.[^.]*$/, '');
        const known = found.get(name) ?? resolved.path;
        if (known !== resolved.path) return { errors: [{ text: `${known} and ${resolved.path} would have one bundle: ${name}` }] };
        found.set(name, resolved.path);
        return { path: `./${laterFolder}/${name}.js`, external: true };
      });
    },
  };
}
