// Loads projects into Scratch's own virtual machine, and writes one line of JSON for each file that is named.
globalThis.navigator = {language: 'en'}; // an extension asks a browser for its language
const fs = require('fs');
const path = require('path');
const VirtualMachine = require(path.join(process.argv[2], 'node_modules', 'scratch-vm'));

const write = line => fs.writeSync(1, `${JSON.stringify(line)}\n`);
console.log = console.warn = console.error = () => {};

const describe = target => {
    const blocks = Object.values(target.blocks._blocks);
    const opcodes = {};
    for (const block of blocks) if (!block.shadow) opcodes[block.opcode] = (opcodes[block.opcode] || 0) + 1;
    const named = type => Object.values(target.variables).filter(one => one.type === type).map(one => one.name);
    return {
        isStage: target.isStage,
        scripts: target.blocks.getScripts().filter(id => !target.blocks.getBlock(id).shadow).length,
        opcodes,
        variables: named(''),
        lists: named('list'),
        messages: named('broadcast_msg'),
        comments: Object.keys(target.comments).length
    };
};

const main = async () => {
    for (const file of process.argv.slice(3)) {
        try {
            const machine = new VirtualMachine();
            await machine.loadProject(fs.readFileSync(file, 'utf8'));
            write({targets: machine.runtime.targets.map(describe), saved: JSON.parse(machine.toJSON())});
        } catch (error) {
            write({error: String((error && error.message) || error)});
        }
    }
    process.exit(0);
};

main();
