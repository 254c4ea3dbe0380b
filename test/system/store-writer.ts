// Run by store.test.ts to be killed: writes pairs of keys as fast as it can, eight at a time, and says so on standard
// output only after the store has acknowledged. Arguments: folder, round.
import { writeSync } from 'node:fs'
import { openLmdbStore } from '../../controller/store/index.ts'

const [folder = '', round = ''] = process.argv.slice(2)
const store = openLmdbStore({ folder })

async function writer(name: string): Promise<never> {
  for (let n = 0; ; n++) {
    const key = `${round}/${name}/${n}`
    const { revision } = await store.transact({
      when: [{ key: `left/${key}`, modRevision: 0 }],
      apply: [
        { kind: 'put', key: `left/${key}`, value: key },
        { kind: 'put', key: `right/${key}`, value: key },
      ],
    })
    writeSync(1, `${revision} ${key}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, n) => writer(`w${n}`)))
