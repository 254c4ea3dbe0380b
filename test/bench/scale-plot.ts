import { writeFileSync } from 'node:fs'
import type { ScaleResult } from './scale.ts'
export function plotScale(results: readonly ScaleResult[]): void { writeFileSync('/tmp/scale.json', JSON.stringify(results)) }
