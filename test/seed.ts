// What is random in tests is the same in each run, so that a change is judged by what it changes. WEFT_SEED=n runs
// them with another seed, WEFT_SEED=random with a new one; a failure names it.

import fc from 'fast-check'

const wanted = process.env['WEFT_SEED'] ?? '1'

/** A 32-bit unsigned integer, the same in all files of a run unless it is random. */
export const seed = wanted === 'random' ? Date.now() >>> 0 : Number(wanted)

if (!Number.isInteger(seed)) throw new Error(`WEFT_SEED: ${wanted} is neither an integer nor "random"`)

fc.configureGlobal({ seed })
