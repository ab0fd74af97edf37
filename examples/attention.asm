; Attention of one query over eight cached positions, by hand, for the machine `tiny` (2 tokens x 8 outputs x 8 lanes).
; Numbers are fixed point with 16 fractional bits. Every unit runs on its own; semaphores say who waits for whom:
;   0 load -> vector, 1 load -> matrix, 2 vector -> matrix, 3 matrix -> vector, 4 matrix -> store
.isa 4
.machine tiny
.region operands addr=0x1000 bytes=0x180 ro
.region result addr=0x2000 bytes=0x40 rw

.origin "load"
load space=v bank=0 addr=64 blocks=1 post 0   ; q, eight words
load space=w dst=0 addr=65 blocks=1           ; K: one K4 row, eight positions of eight nibbles
load space=c dst=0 addr=66 blocks=1 post 1    ; its scales, one for each position
load space=v bank=2 addr=67 blocks=1 post 0   ; scales of V, one for each position
load space=w dst=1 addr=68 blocks=1           ; V: one V4 row
load space=c dst=1 addr=69 blocks=1 post 1    ; 1/127, the unit of probability codes

.origin "quantise q"
vec fun=copy out=q8 tokens=1 subs=1 rows=1 a=v0:0 d=v0:0 o=v0:0 o_step=0 wait 0 post 2

.origin "scores"
gemm mode=w4 tokens=1 ntiles=1 groups=1 steps=1 a_row=0 w_row=0 c_row=0 slot=0 dst=v1:0 wait 1,2 post 3

.origin "softmax"
vec fun=softmax out=q8 tokens=1 subs=1 rows=1 len=8 a=v1:0 b=v2:0 d=v3:0 o=v0:1 o_step=1 wait 0,3 post 2

.origin "weighted values"
gemm mode=v4 tokens=1 ntiles=1 groups=1 steps=1 a_row=1 w_row=2 c_row=2 slot=1 dst=v1:4 wait 1,2 post 4

.origin "store"
store.blocks bank=1 src=2 addr=128 blocks=1 wait 4
halt
