#!/usr/bin/env node
import { launch } from '../../clients/http/launch.mjs';

launch('acme-conformance', new URL('./main.ts', import.meta.url));
