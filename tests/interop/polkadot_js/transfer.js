// Sends one ed25519 transfer through the unmodified @polkadot/api and prints what it saw as one line of JSON.
//
// usage: node transfer.js ws://127.0.0.1:9944 //Alice //Bob 1000000000000
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';

const [url, senderUri, receiverUri, amount] = process.argv.slice(2);
const provider = new WsProvider(url, false);
const deadline = setTimeout(() => fail(new Error('no result within 100 s')), 100_000);

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function readBalance(api, address) {
  const { data, nonce } = await api.query.system.account(address);
  return { free: data.free.toString(), nonce: nonce.toNumber() };
}

function sendAndWatch(api, sender, receiver) {
  return new Promise((resolve, reject) => {
    const statuses = [];
    api.tx.balances
      .transferKeepAlive(receiver.address, amount)
      .signAndSend(sender, (result) => {
        statuses.push(result.status.type);
        if (result.isError) reject(new Error(`the transaction ended as ${result.status.type}`));
        if (result.isInBlock || result.isFinalized) resolve({ result, statuses });
      })
      .catch(reject);
  });
}

function describe({ result, statuses }) {
  return {
    statuses,
    blockHash: (result.isInBlock ? result.status.asInBlock : result.status.asFinalized).toHex(),
    txHash: result.txHash.toHex(),
    events: result.events.map(({ event }) => ({
      pallet: event.section,
      name: event.method,
      data: event.data.toHuman(),
    })),
    dispatchError: result.dispatchError ? result.dispatchError.toString() : null,
  };
}

async function main() {
  await provider.connect();
  const api = await ApiPromise.create({ provider, throwOnConnect: true, noInitWarn: true });
  const keyring = new Keyring({ type: 'ed25519', ss58Format: api.registry.chainSS58 });
  const sender = keyring.addFromUri(senderUri);
  const receiver = keyring.addFromUri(receiverUri);
  const before = { sender: await readBalance(api, sender.address), receiver: await readBalance(api, receiver.address) };
  const included = describe(await sendAndWatch(api, sender, receiver));
  const after = { sender: await readBalance(api, sender.address), receiver: await readBalance(api, receiver.address) };
  const header = await api.derive.chain.getHeader(included.blockHash);
  const block = await api.rpc.chain.getBlock(included.blockHash);
  const isInBody = block.block.extrinsics.some((extrinsic) => extrinsic.hash.toHex() === included.txHash);
  const result = {
    chain: api.runtimeChain.toString(),
    spec: api.runtimeVersion.specName.toString(),
    sender: sender.address,
    receiver: receiver.address,
    before,
    included,
    after,
    author: header.author ? header.author.toString() : null,
    number: header.number.toNumber(),
    headerHash: header.hash.toHex(),
    isInBody,
  };
  console.log(JSON.stringify(result));
  clearTimeout(deadline);
  await api.disconnect();
}

main().then(() => process.exit(0), fail);
