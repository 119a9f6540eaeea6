#!/usr/bin/env node
import { launch } from '../http/launch.mjs';

launch('certctl-mcp', new URL('./main.ts', import.meta.url));
