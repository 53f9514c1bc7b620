// Slides a window over images that come in row by row, channels last, and gives its taps out, a word a beat.
//
// For every output position, and for each of BLOCKS blocks there: the taps of the window, kernel rows, then kernel
// columns, then INNER channels. `out_first` and `out_last` are 1 at the first and the last word of a block;
// `out_inside` is 0 where the tap lies in the padding, and the word is 0 then.
//
// BLOCKS_A_GROUP blocks read the same INNER channels, the next ones those after them: all of a convolution's blocks read
// all channels (one group); each block of a pooling or a depthwise convolution reads a channel of its own.
//
// DEPTH rows are held in a ring, at least as many as a window spans. A row is given up as soon as no window that is
// still to come reaches it, so the next rows, and the next image, come in while windows are read.
module bittrue_window #(
    parameter int WIDTH = 8,
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int CHANNELS = 1,
    parameter int OUT_ROWS = 4,
    parameter int OUT_COLUMNS = 4,
    parameter int KERNEL_ROWS = 3,
    parameter int KERNEL_COLUMNS = 3,
    parameter int STRIDE_ROWS = 1,
    parameter int STRIDE_COLUMNS = 1,
    parameter int DILATION_ROWS = 1,
    parameter int DILATION_COLUMNS = 1,
    parameter int PADDING_ROWS = 1,  // before the first row
    parameter int PADDING_COLUMNS = 1,  // before the first column
    parameter int BLOCKS = 1,
    parameter int BLOCKS_A_GROUP = 1,
    parameter int INNER = 1,
    parameter int DEPTH = 4
) (
    input  logic             clk,
    input  logic             rst_n,
    input  logic             in_valid,
    output logic             in_ready,
    input  logic [WIDTH-1:0] in_data,
    output logic             out_valid,
    input  logic             out_ready,
    output logic [WIDTH-1:0] out_data,
    output logic             out_inside,
    output logic             out_first,
    output logic             out_last
);
    localparam int ROW = COLUMNS * CHANNELS;
    localparam int RING = DEPTH * ROW;
    localparam int SPAN = (KERNEL_ROWS - 1) * DILATION_ROWS + 1;

    // Steps in the ring, which count modulo its size: so a row in the padding has a place, too, which is not read.
    localparam int PADDING_STEP = (DEPTH - PADDING_ROWS % DEPTH) % DEPTH * ROW;
    localparam int STRIDE_STEP = STRIDE_ROWS % DEPTH * ROW;
    localparam int DILATION_STEP = DILATION_ROWS % DEPTH * ROW;
    localparam int IMAGE_STEP = ROWS % DEPTH * ROW;

    // Bits of the counters, with a sign where they begin in the padding.
    localparam int ROW_BITS = $clog2(ROWS + PADDING_ROWS + SPAN + OUT_ROWS * STRIDE_ROWS + DEPTH) + 2;
    localparam int COLUMN_BITS = $clog2(COLUMNS + PADDING_COLUMNS + OUT_COLUMNS * STRIDE_COLUMNS
                                        + KERNEL_COLUMNS * DILATION_COLUMNS) + 2;
    localparam int OFFSET_BITS = COLUMN_BITS + $clog2(CHANNELS + 1);
    localparam int BLOCK_BITS = $clog2(BLOCKS + 1);
    localparam int KERNEL_BITS = $clog2(KERNEL_ROWS + KERNEL_COLUMNS);
    localparam int CHANNEL_BITS = $clog2(CHANNELS + INNER + 1);
    localparam int PLACE_BITS = $clog2(RING) + 1;
    localparam int ADDRESS_BITS = RING > 1 ? $clog2(RING) : 1;

    logic [WIDTH-1:0] words[0:RING-1];

    // A sum of two places in the ring.
    function automatic logic [PLACE_BITS-1:0] around(input logic [PLACE_BITS-1:0] sum);
        around = sum >= RING ? sum - RING : sum;
    endfunction

    // What comes in, and which rows are held: how many, and which row of its image the oldest is.
    logic        [PLACE_BITS-1:0]  write;
    logic        [PLACE_BITS-1:0]  filled;
    logic signed [ROW_BITS-1:0]    held;
    logic signed [ROW_BITS-1:0]    oldest;
    logic                          taken;
    logic                          row_done;
    logic                          row_released;

    assign in_ready = held != DEPTH;
    assign taken = in_valid && in_ready;
    assign row_done = taken && filled == ROW - 1;

    always_ff @(posedge clk) begin
        if (taken) words[write[ADDRESS_BITS-1:0]] <= in_data;
        if (!rst_n) begin
            write <= 0;
            filled <= 0;
            held <= 0;
        end else begin
            if (taken) begin
                write <= around(write + 1);
                filled <= filled == ROW - 1 ? 0 : filled + 1;
            end
            if (row_done && !row_released) held <= held + 1;
            if (row_released && !row_done) held <= held - 1;
        end
    end

    // The tap that is read: the counters of the loops, its row and column in the image, and its place in the ring.
    logic        [ROW_BITS-1:0]     out_row;
    logic        [COLUMN_BITS-1:0]  out_column;
    logic        [BLOCK_BITS-1:0]   block;
    logic        [BLOCK_BITS-1:0]   in_group;
    logic        [KERNEL_BITS-1:0]  kernel_row;
    logic        [KERNEL_BITS-1:0]  kernel_column;
    logic        [CHANNEL_BITS-1:0] inner;
    logic        [CHANNEL_BITS-1:0] group_channel;
    logic        [CHANNEL_BITS-1:0] channel;
    logic signed [ROW_BITS-1:0]     top;
    logic signed [ROW_BITS-1:0]     row;
    logic        [PLACE_BITS-1:0]   image_place;
    logic        [PLACE_BITS-1:0]   top_place;
    logic        [PLACE_BITS-1:0]   row_place;
    logic signed [COLUMN_BITS-1:0]  left;
    logic signed [COLUMN_BITS-1:0]  column;
    logic signed [OFFSET_BITS-1:0]  left_offset;
    logic signed [OFFSET_BITS-1:0]  column_offset;
    logic                           running;  // taps are read; else the rows of the next windows are waited for
    logic                           ended;  // the last window of the image was read

    logic signed [ROW_BITS-1:0] wanted;  // the oldest row that is still needed
    logic signed [ROW_BITS-1:0] needed;  // the row behind the last one that is

    assign wanted = ended || top > ROWS ? ROWS : top < 0 ? 0 : top;
    assign needed = top + SPAN > ROWS ? ROWS : top + SPAN;
    assign row_released = !running && oldest < wanted && held != 0;

    logic advance;
    logic end_inner;
    logic end_columns;
    logic end_rows;
    logic end_group;
    logic end_blocks;
    logic end_out_columns;
    logic end_out_rows;

    assign advance = !out_valid || out_ready;
    assign end_inner = inner == INNER - 1;
    assign end_columns = end_inner && kernel_column == KERNEL_COLUMNS - 1;
    assign end_rows = end_columns && kernel_row == KERNEL_ROWS - 1;
    assign end_group = end_rows && in_group == BLOCKS_A_GROUP - 1;
    assign end_blocks = end_rows && block == BLOCKS - 1;
    assign end_out_columns = end_blocks && out_column == OUT_COLUMNS - 1;
    assign end_out_rows = end_out_columns && out_row == OUT_ROWS - 1;

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            oldest <= 0;
            running <= 1'b0;
            ended <= 1'b0;
        end else if (running) begin
            if (advance && end_out_columns) running <= 1'b0;
            if (advance && end_out_rows) ended <= 1'b1;
        end else if (row_released) oldest <= oldest + 1;
        else if (oldest >= wanted) begin
            if (ended) begin
                ended <= 1'b0;
                oldest <= 0;
            end else if (oldest + held >= needed) running <= 1'b1;
        end
    end

    // Each counter goes on where the loops inside of its own end.
    always_ff @(posedge clk) begin
        if (!rst_n) begin
            inner <= 0;
            kernel_column <= 0;
            kernel_row <= 0;
            in_group <= 0;
            block <= 0;
            out_column <= 0;
            out_row <= 0;
        end else if (running && advance) begin
            inner <= end_inner ? 0 : inner + 1;
            if (end_inner) kernel_column <= end_columns ? 0 : kernel_column + 1;
            if (end_columns) kernel_row <= end_rows ? 0 : kernel_row + 1;
            if (end_rows) in_group <= end_group || end_blocks ? 0 : in_group + 1;
            if (end_rows) block <= end_blocks ? 0 : block + 1;
            if (end_blocks) out_column <= end_out_columns ? 0 : out_column + 1;
            if (end_out_columns) out_row <= end_out_rows ? 0 : out_row + 1;
        end
    end

    // Channels, columns, rows.
    always_ff @(posedge clk) begin
        if (!rst_n) begin
            channel <= 0;
            group_channel <= 0;
        end else if (running && advance) begin
            if (!end_inner) channel <= channel + 1;
            else if (end_blocks) channel <= 0;
            else if (end_group) channel <= group_channel + INNER;
            else channel <= group_channel;
            if (end_blocks) group_channel <= 0;
            else if (end_group) group_channel <= group_channel + INNER;
        end
    end

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            left <= -PADDING_COLUMNS;
            column <= -PADDING_COLUMNS;
            left_offset <= -PADDING_COLUMNS * CHANNELS;
            column_offset <= -PADDING_COLUMNS * CHANNELS;
        end else if (running && advance && end_inner) begin
            if (end_out_columns) begin
                left <= -PADDING_COLUMNS;
                column <= -PADDING_COLUMNS;
                left_offset <= -PADDING_COLUMNS * CHANNELS;
                column_offset <= -PADDING_COLUMNS * CHANNELS;
            end else if (end_blocks) begin
                left <= left + STRIDE_COLUMNS;
                column <= left + STRIDE_COLUMNS;
                left_offset <= left_offset + STRIDE_COLUMNS * CHANNELS;
                column_offset <= left_offset + STRIDE_COLUMNS * CHANNELS;
            end else if (end_columns) begin
                column <= left;
                column_offset <= left_offset;
            end else begin
                column <= column + DILATION_COLUMNS;
                column_offset <= column_offset + DILATION_COLUMNS * CHANNELS;
            end
        end
    end

    // The rows of the next image follow in the ring, wherever the windows of this one end.
    logic [PLACE_BITS-1:0] next_image;
    logic [PLACE_BITS-1:0] next_top;

    assign next_image = around(image_place + IMAGE_STEP);
    assign next_top = end_out_rows ? around(next_image + PADDING_STEP) : around(top_place + STRIDE_STEP);

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            top <= -PADDING_ROWS;
            row <= -PADDING_ROWS;
            image_place <= 0;
            top_place <= PADDING_STEP;
            row_place <= PADDING_STEP;
        end else if (running && advance && end_columns) begin
            if (end_out_columns) begin
                top <= end_out_rows ? -PADDING_ROWS : top + STRIDE_ROWS;
                row <= end_out_rows ? -PADDING_ROWS : top + STRIDE_ROWS;
                top_place <= next_top;
                row_place <= next_top;
                if (end_out_rows) image_place <= next_image;
            end else if (end_rows) begin
                row <= top;
                row_place <= top_place;
            end else begin
                row <= row + DILATION_ROWS;
                row_place <= around(row_place + DILATION_STEP);
            end
        end
    end

    // The word is read a cycle after its place is known.
    logic                          inside_rows;
    logic                          inside_columns;
    logic        [PLACE_BITS-1:0]  place;
    logic        [WIDTH-1:0]       word;

    // At least as long as a place, so that its low bits are there to be taken.
    logic signed [OFFSET_BITS+PLACE_BITS:0] offset;

    assign inside_rows = row >= 0 && row < ROWS;
    assign inside_columns = column >= 0 && column < COLUMNS;
    assign offset = column_offset + $signed({1'b0, channel});
    assign place = row_place + offset[PLACE_BITS-1:0];

    always_ff @(posedge clk) begin
        if (!rst_n) out_valid <= 1'b0;
        else if (advance) out_valid <= running;
        if (advance) begin
            word <= words[place[ADDRESS_BITS-1:0]];
            out_inside <= inside_rows && inside_columns;
            out_first <= inner == 0 && kernel_column == 0 && kernel_row == 0;
            out_last <= end_rows;
        end
    end

    assign out_data = out_inside ? word : {WIDTH{1'b0}};
endmodule
