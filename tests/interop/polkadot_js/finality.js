// Sends a transfer, waits until it is final, and watches finality the ways wallets do; prints one line of JSON.
//
// usage: node finality.js ws://127.0.0.1:9944 //Alice //Bob 1000000000000
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';

const [url, senderUri, receiverUri, amount] = process.argv.slice(2);
const provider = new WsProvider(url, false);
const deadline = setTimeout(() => fail(new Error('no result within 100 s')), 100_000);

function fail(error) {
  console.error(error);
  process.exit(1);
}

function waitForFinal(api, sender, receiver) {
  return new Promise((resolve, reject) => {
    const statuses = [];
    api.tx.balances
      .transferKeepAlive(receiver.address, amount)
      .signAndSend(sender, (result) => {
        statuses.push(result.status.type);
        if (result.isError) reject(new Error(`the transaction ended as ${result.status.type}`));
        if (result.isFinalized) resolve({ statuses, block: result.status.asFinalized.toHex() });
      })
      .catch(reject);
  });
}

function collectHeads(api, count) {
  return new Promise((resolve, reject) => {
    const heads = [];
    api.rpc.chain
      .subscribeFinalizedHeads((header) => {
        heads.push({ number: header.number.toNumber(), hash: header.hash.toHex() });
        if (heads.length === count) resolve([...heads]);
      })
      .catch(reject);
  });
}

function watchDerived(api, height) {
  return new Promise((resolve, reject) => {
    const numbers = [];
    api.derive.chain
      .bestNumberFinalized((number) => {
        numbers.push(number.toNumber());
        if (number.toNumber() >= height) resolve(numbers);
      })
      .catch(reject);
  });
}

async function main() {
  await provider.connect();
  const api = await ApiPromise.create({ provider, throwOnConnect: true, noInitWarn: true });
  const keyring = new Keyring({ type: 'ed25519', ss58Format: api.registry.chainSS58 });
  const heads = collectHeads(api, 3);
  const transaction = await waitForFinal(api, keyring.addFromUri(senderUri), keyring.addFromUri(receiverUri));
  const header = await api.rpc.chain.getHeader(transaction.block);
  const number = header.number.toNumber();
  const derived = await watchDerived(api, number);
  const finalHead = await api.rpc.chain.getFinalizedHead();
  const finalNumber = (await api.rpc.chain.getHeader(finalHead)).number.toNumber();
  console.log(JSON.stringify({ statuses: transaction.statuses, number, heads: await heads, derived, finalNumber }));
  clearTimeout(deadline);
  await api.disconnect();
}

main().then(() => process.exit(0), fail);
