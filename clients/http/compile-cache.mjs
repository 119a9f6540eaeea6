import module from 'node:module';
import { fileURLToPath } from 'node:url';

// Stripping types and compiling is half of a command's start. Where nothing may be written, it is done each time.
module.enableCompileCache?.(fileURLToPath(new URL('../../.build/compile-cache', import.meta.url)));
