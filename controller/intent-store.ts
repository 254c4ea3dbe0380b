// The store as the API and the engine use it: whole transactions, changes as they come.
import type { IntentStore } from './northbound/intent-store.ts'
import type { Event, Operation, Store } from './store/index.ts'

const changeOf = (event: Event): { key: string; value: string | null } =>
  event.kind === 'put' ? { key: event.entry.key, value: event.entry.value } : { key: event.key, value: null }

export function intentStore(store: Store): IntentStore {
  return {
    get: async (key) => (await store.get(key)) ?? null,
    range: (prefix) => store.range(prefix),
    async transact({ preconditions, puts, deletes }) {
      const apply: Operation[] = [
        ...puts.map(({ key, value }) => ({ kind: 'put', key, value }) as const),
        ...deletes.map((key) => ({ kind: 'delete', key }) as const),
      ]
      const { succeeded, revision } = await store.transact({ when: preconditions, apply })
      return { committed: succeeded, revision }
    },
    watch(fromRevision, onBatch) {
      const watch = store.watch('', fromRevision + 1)
      void (async () => {
        for await (const { revision, events } of watch) onBatch({ revision, changes: events.map(changeOf) })
      })()
      return Promise.resolve(() => watch.close())
    },
  }
}
