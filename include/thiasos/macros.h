/* Macros that work on argument lists. Plumbing of the declaration macros; nothing here is for users.
 *
 * Every list has at least one argument, so no empty variable argument is ever passed and pedantic compilers stay quiet.
 * Lists of up to 128 arguments can be told apart by length; up to 64 can be counted and walked. Commas inside braces
 * count: a literal such as .ids = { items, 3 } is two arguments of a list, which is why the first limit is generous. */

#ifndef THIASOS_MACROS_H
#define THIASOS_MACROS_H

#ifndef __cplusplus

#define THSP_PASTE(a, b) THSP_PASTE_(a, b)
#define THSP_PASTE_(a, b) a##b

/* The first argument; the second one of at least two. */
#define THSP_HEAD(...) THSP_HEAD_(__VA_ARGS__, 0)
#define THSP_HEAD_(head, ...) head
#define THSP_SECOND(...) THSP_SECOND_(__VA_ARGS__, 0)
#define THSP_SECOND_(head, second, ...) second

/* All but the first of at least two. */
#define THSP_TAIL(head, ...) __VA_ARGS__

/* The 129th argument: what stands there after a list was put before a row of 128 answers. */
#define THSP_129TH( \
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, \
    a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, \
    a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, a65, a66, a67, a68, \
    a69, a70, a71, a72, a73, a74, a75, a76, a77, a78, a79, a80, a81, a82, a83, a84, a85, a86, a87, a88, a89, a90, \
    a91, a92, a93, a94, a95, a96, a97, a98, a99, a100, a101, a102, a103, a104, a105, a106, a107, a108, a109, a110, \
    a111, a112, a113, a114, a115, a116, a117, a118, a119, a120, a121, a122, a123, a124, a125, a126, a127, a128, \
    answer, ...) answer

/* How many arguments, 1 to 64. */
#define THSP_COUNT(...) THSP_COUNT_(__VA_ARGS__, \
    64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, \
    36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, \
    8, 7, 6, 5, 4, 3, 2, 1, 0)
#define THSP_COUNT_( \
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, \
    a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, \
    a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, count, ...) count

/* 0 for one argument, 1 for 2 to 128. */
#define THSP_OVER_1(...) THSP_129TH(__VA_ARGS__, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0)

/* 0 for one or two arguments, 1 for 3 to 128. */
#define THSP_OVER_2(...) THSP_129TH(__VA_ARGS__, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0)

/* 0 for up to three arguments, 1 for 4 to 128. */
#define THSP_OVER_3(...) THSP_129TH(__VA_ARGS__, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)

/* MACRO(context, argument) for each argument. */
#define THSP_FOR_EACH_WITH(MACRO, context, ...) \
    THSP_PASTE(THSP_EACH_, THSP_COUNT(__VA_ARGS__))(MACRO, context, __VA_ARGS__)

/* MACRO(argument) for each argument. */
#define THSP_FOR_EACH(MACRO, ...) THSP_FOR_EACH_WITH(THSP_EACH_ALONE, MACRO, __VA_ARGS__)
#define THSP_EACH_ALONE(MACRO, x) MACRO(x)

#define THSP_EACH_1(M, c, x) M(c, x)
#define THSP_EACH_2(M, c, x, ...) M(c, x) THSP_EACH_1(M, c, __VA_ARGS__)
#define THSP_EACH_3(M, c, x, ...) M(c, x) THSP_EACH_2(M, c, __VA_ARGS__)
#define THSP_EACH_4(M, c, x, ...) M(c, x) THSP_EACH_3(M, c, __VA_ARGS__)
#define THSP_EACH_5(M, c, x, ...) M(c, x) THSP_EACH_4(M, c, __VA_ARGS__)
#define THSP_EACH_6(M, c, x, ...) M(c, x) THSP_EACH_5(M, c, __VA_ARGS__)
#define THSP_EACH_7(M, c, x, ...) M(c, x) THSP_EACH_6(M, c, __VA_ARGS__)
#define THSP_EACH_8(M, c, x, ...) M(c, x) THSP_EACH_7(M, c, __VA_ARGS__)
#define THSP_EACH_9(M, c, x, ...) M(c, x) THSP_EACH_8(M, c, __VA_ARGS__)
#define THSP_EACH_10(M, c, x, ...) M(c, x) THSP_EACH_9(M, c, __VA_ARGS__)
#define THSP_EACH_11(M, c, x, ...) M(c, x) THSP_EACH_10(M, c, __VA_ARGS__)
#define THSP_EACH_12(M, c, x, ...) M(c, x) THSP_EACH_11(M, c, __VA_ARGS__)
#define THSP_EACH_13(M, c, x, ...) M(c, x) THSP_EACH_12(M, c, __VA_ARGS__)
#define THSP_EACH_14(M, c, x, ...) M(c, x) THSP_EACH_13(M, c, __VA_ARGS__)
#define THSP_EACH_15(M, c, x, ...) M(c, x) THSP_EACH_14(M, c, __VA_ARGS__)
#define THSP_EACH_16(M, c, x, ...) M(c, x) THSP_EACH_15(M, c, __VA_ARGS__)
#define THSP_EACH_17(M, c, x, ...) M(c, x) THSP_EACH_16(M, c, __VA_ARGS__)
#define THSP_EACH_18(M, c, x, ...) M(c, x) THSP_EACH_17(M, c, __VA_ARGS__)
#define THSP_EACH_19(M, c, x, ...) M(c, x) THSP_EACH_18(M, c, __VA_ARGS__)
#define THSP_EACH_20(M, c, x, ...) M(c, x) THSP_EACH_19(M, c, __VA_ARGS__)
#define THSP_EACH_21(M, c, x, ...) M(c, x) THSP_EACH_20(M, c, __VA_ARGS__)
#define THSP_EACH_22(M, c, x, ...) M(c, x) THSP_EACH_21(M, c, __VA_ARGS__)
#define THSP_EACH_23(M, c, x, ...) M(c, x) THSP_EACH_22(M, c, __VA_ARGS__)
#define THSP_EACH_24(M, c, x, ...) M(c, x) THSP_EACH_23(M, c, __VA_ARGS__)
#define THSP_EACH_25(M, c, x, ...) M(c, x) THSP_EACH_24(M, c, __VA_ARGS__)
#define THSP_EACH_26(M, c, x, ...) M(c, x) THSP_EACH_25(M, c, __VA_ARGS__)
#define THSP_EACH_27(M, c, x, ...) M(c, x) THSP_EACH_26(M, c, __VA_ARGS__)
#define THSP_EACH_28(M, c, x, ...) M(c, x) THSP_EACH_27(M, c, __VA_ARGS__)
#define THSP_EACH_29(M, c, x, ...) M(c, x) THSP_EACH_28(M, c, __VA_ARGS__)
#define THSP_EACH_30(M, c, x, ...) M(c, x) THSP_EACH_29(M, c, __VA_ARGS__)
#define THSP_EACH_31(M, c, x, ...) M(c, x) THSP_EACH_30(M, c, __VA_ARGS__)
#define THSP_EACH_32(M, c, x, ...) M(c, x) THSP_EACH_31(M, c, __VA_ARGS__)
#define THSP_EACH_33(M, c, x, ...) M(c, x) THSP_EACH_32(M, c, __VA_ARGS__)
#define THSP_EACH_34(M, c, x, ...) M(c, x) THSP_EACH_33(M, c, __VA_ARGS__)
#define THSP_EACH_35(M, c, x, ...) M(c, x) THSP_EACH_34(M, c, __VA_ARGS__)
#define THSP_EACH_36(M, c, x, ...) M(c, x) THSP_EACH_35(M, c, __VA_ARGS__)
#define THSP_EACH_37(M, c, x, ...) M(c, x) THSP_EACH_36(M, c, __VA_ARGS__)
#define THSP_EACH_38(M, c, x, ...) M(c, x) THSP_EACH_37(M, c, __VA_ARGS__)
#define THSP_EACH_39(M, c, x, ...) M(c, x) THSP_EACH_38(M, c, __VA_ARGS__)
#define THSP_EACH_40(M, c, x, ...) M(c, x) THSP_EACH_39(M, c, __VA_ARGS__)
#define THSP_EACH_41(M, c, x, ...) M(c, x) THSP_EACH_40(M, c, __VA_ARGS__)
#define THSP_EACH_42(M, c, x, ...) M(c, x) THSP_EACH_41(M, c, __VA_ARGS__)
#define THSP_EACH_43(M, c, x, ...) M(c, x) THSP_EACH_42(M, c, __VA_ARGS__)
#define THSP_EACH_44(M, c, x, ...) M(c, x) THSP_EACH_43(M, c, __VA_ARGS__)
#define THSP_EACH_45(M, c, x, ...) M(c, x) THSP_EACH_44(M, c, __VA_ARGS__)
#define THSP_EACH_46(M, c, x, ...) M(c, x) THSP_EACH_45(M, c, __VA_ARGS__)
#define THSP_EACH_47(M, c, x, ...) M(c, x) THSP_EACH_46(M, c, __VA_ARGS__)
#define THSP_EACH_48(M, c, x, ...) M(c, x) THSP_EACH_47(M, c, __VA_ARGS__)
#define THSP_EACH_49(M, c, x, ...) M(c, x) THSP_EACH_48(M, c, __VA_ARGS__)
#define THSP_EACH_50(M, c, x, ...) M(c, x) THSP_EACH_49(M, c, __VA_ARGS__)
#define THSP_EACH_51(M, c, x, ...) M(c, x) THSP_EACH_50(M, c, __VA_ARGS__)
#define THSP_EACH_52(M, c, x, ...) M(c, x) THSP_EACH_51(M, c, __VA_ARGS__)
#define THSP_EACH_53(M, c, x, ...) M(c, x) THSP_EACH_52(M, c, __VA_ARGS__)
#define THSP_EACH_54(M, c, x, ...) M(c, x) THSP_EACH_53(M, c, __VA_ARGS__)
#define THSP_EACH_55(M, c, x, ...) M(c, x) THSP_EACH_54(M, c, __VA_ARGS__)
#define THSP_EACH_56(M, c, x, ...) M(c, x) THSP_EACH_55(M, c, __VA_ARGS__)
#define THSP_EACH_57(M, c, x, ...) M(c, x) THSP_EACH_56(M, c, __VA_ARGS__)
#define THSP_EACH_58(M, c, x, ...) M(c, x) THSP_EACH_57(M, c, __VA_ARGS__)
#define THSP_EACH_59(M, c, x, ...) M(c, x) THSP_EACH_58(M, c, __VA_ARGS__)
#define THSP_EACH_60(M, c, x, ...) M(c, x) THSP_EACH_59(M, c, __VA_ARGS__)
#define THSP_EACH_61(M, c, x, ...) M(c, x) THSP_EACH_60(M, c, __VA_ARGS__)
#define THSP_EACH_62(M, c, x, ...) M(c, x) THSP_EACH_61(M, c, __VA_ARGS__)
#define THSP_EACH_63(M, c, x, ...) M(c, x) THSP_EACH_62(M, c, __VA_ARGS__)
#define THSP_EACH_64(M, c, x, ...) M(c, x) THSP_EACH_63(M, c, __VA_ARGS__)

#endif /* __cplusplus */

#endif /* THIASOS_MACROS_H */
