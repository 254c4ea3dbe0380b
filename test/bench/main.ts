// `npm run bench -- NAME…`: the benchmarks by name; all of them when none is given.
const benchmarks: Record<string, () => Promise<{ run(): Promise<void> }>> = {
  derivation: () => import('./derivation.ts'),
  engine: () => import('./engine.ts'),
  install: () => import('./install.ts'),
  ofproto: () => import('./ofproto.ts'),
  ovsdb: () => import('./ovsdb.ts'),
  store: () => import('./store.ts'),
}

const names = process.argv.slice(2)
for (const name of names.length > 0 ? names : Object.keys(benchmarks)) {
  const load = benchmarks[name]
  if (!load) {
    console.error(`unknown benchmark '${name}'; known: ${Object.keys(benchmarks).join(', ')}`)
    process.exit(2)
  }
  await (await load()).run()
}
