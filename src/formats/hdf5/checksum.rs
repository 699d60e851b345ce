//! The two checksums of HDF5.

/// Bob Jenkins' `lookup3` (`hashlittle` with the initial value 0), of metadata.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |word, &byte| word << 8 | u32::from(byte));
    let mut blocks = bytes.chunks(12).peekable();
    while let Some(block) = blocks.next() {
        let mut words = block.chunks(4).map(word);
        a = a.wrapping_add(words.next().unwrap_or(0));
        b = b.wrapping_add(words.next().unwrap_or(0));
        c = c.wrapping_add(words.next().unwrap_or(0));
        if blocks.peek().is_some() {
            (a, b, c) = mix(a, b, c);
        } else {
            c = last(a, b, c);
        }
    }
    c
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

fn last(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Fletcher's sum over 16-bit words with the most significant byte first, of the values in a chunk. A last odd byte is the upper half of a word.
pub(super) fn fletcher32(bytes: &[u8]) -> u32 {
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (words, last) = bytes.as_chunks::<2>();
    let (mut low, mut high) = (0_u32, 0_u32);
    let mut add = |words: &[[u8; 2]]| {
        for &word in words {
            low += u32::from(u16::from_be_bytes(word));
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    };
    // The sums of so many words fit into 32 bits.
    words.chunks(360).for_each(&mut add);
    last.iter().for_each(|&byte| add(&[[byte, 0]]));
    fold(high) << 16 | fold(low)
}
