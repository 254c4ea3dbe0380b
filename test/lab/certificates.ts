// A certificate authority for one test, and identities that it signs.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.ts'

export interface IdentityFiles {
  readonly key: string
  readonly certificate: string
  readonly authority: string
}

/** Makes an authority in `folder`; `name` tells it from others there. */
export async function makeAuthority(folder: string, name = 'ca'): Promise<(who: string) => Promise<IdentityFiles>> {
  const path = (file: string): string => join(folder, file)
  const authority = path(`${name}.pem`)
  const authorityKey = path(`${name}.key`)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', authorityKey, '-out', authority, '-subj', `/CN=${name}`])
  return async (who) => {
    const [key, request, certificate] = [path(`${who}.key`), path(`${who}.csr`), path(`${who}.pem`)]
    await run('openssl', ['req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${who}`])
    const signer = ['-CA', authority, '-CAkey', authorityKey, '-CAcreateserial']
    await run('openssl', ['x509', '-req', '-in', request, ...signer, '-out', certificate, '-days', '1'])
    return { key, certificate, authority }
  }
}

/** The PEM texts of an identity. */
export async function readIdentity({ key, certificate, authority }: IdentityFiles) {
  const read = (file: string): Promise<string> => readFile(file, 'utf8')
  return { key: await read(key), certificate: await read(certificate), authority: await read(authority) }
}
