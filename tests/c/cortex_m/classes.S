@ So many instructions of each class between the marks, for the counter of boards/linnet_boards/qemu/classes.c.
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word 0x20001000
    .word start
    .text
    .thumb_func
    .global start
start:
    ldr  r0, =0xE000ED88    @ CPACR
    ldr  r1, [r0]
    orr  r1, #0xF00000
    str  r1, [r0]
    dsb
    isb
    ldr  r7, =0x21000000
    bl   firmware_mark_start
    @ other 7
    movs r0, #8
    movw r1, #1000
    adds r2, r0, r1
    eor  r3, r2, r1, lsl #3
    ubfx r3, r2, #3, #4
    dmb
    uxtb16 r3, r2
    @ load 6
    ldr  r2, [r7]
    ldrb r2, [r7, #1]
    ldrsh r2, [r7, r0]
    ldr.w r2, [r7, #100]
    ldr  r2, [sp, #-8]
    vldr s1, [r7]
    @ store 4
    str  r2, [r7]
    strh r2, [r7, r0]
    strb.w r2, [r7, #100]
    vstr s1, [r7]
    @ multiple 6, registers 2 + 4 + 3 + 2 + 3 + 2
    push {r4, r5}
    stm  r7, {r0, r1, r2, r3}
    ldm.w r7, {r0, r1, r2}
    strd r4, r5, [r7]
    ldm  r7, {r0, r1, r2}
    pop  {r4, r5}
    @ multiply 4, long 3, divide 2
    muls r2, r0, r2
    mla  r2, r0, r1, r2
    smlad r2, r0, r1, r2
    smmul r2, r0, r1
    smull r2, r3, r0, r1
    umlal r2, r3, r0, r1
    smlald r2, r3, r0, r1
    sdiv r2, r1, r0
    udiv r2, r1, r0
    @ float 2
    vadd.f32 s0, s1, s1
    vmov s0, r0
    @ vector 3, vector_memory 2
    vldrw.32 q0, [r7]
    vadd.i32 q1, q0, q0
    vmul.i32 q1, q0, q0
    vmladav.s8 r2, q0, q0
    vstrb.8 q1, [r7]
    @ branch 8 with those of the marks; taken 5: all but bne, cbz and the last
    b    1f
    nop
1:  cmp  r0, r0             @ other 1
    bne  2f
    beq  2f
    nop
2:  cbz  r7, 3f
    b.w  3f
    nop
3:  @ loop_end 4
    mov  lr, #4             @ other 3, and the low-overhead loop's nop 4
    mov  r5, lr
    dls  lr, r5
4:  nop
    le   lr, 4b
    bl   firmware_mark_end
5:  b    5b

    .thumb_func
    .global firmware_mark_start
firmware_mark_start:
    bx   lr

    .thumb_func
    .global firmware_mark_end
firmware_mark_end:
    nop
    b    5b
    .ltorg
